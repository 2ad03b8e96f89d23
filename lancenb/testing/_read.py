"""What the Hub tells about one repository: facts, files, branches, commits."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import parse_qs, urlencode

from ._card import tags_of
from ._origin import Handler, Refused
from ._repos import Commit, Entry, Repo


def commit_of(repo: Repo, revision: str) -> str:
    """Return the commit of a revision.

    Raises:
        Refused: there is no such revision.
    """
    sha = repo.resolve(revision)
    if sha is None:
        raise Refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")
    return sha


def answer_page(handler: Handler, endpoint: str, items: list[Any], size: int) -> None:
    """Answer one page of a list; ``Link`` leads to the next."""
    start = int(handler.query.get("cursor", 0))
    headers: dict[str, str] = {}
    if start + size < len(items):
        query = urlencode({**handler.params, "cursor": [str(start + size)]}, doseq=True)
        path = handler.path.partition("?")[0]
        headers["Link"] = f'<{endpoint}{path}?{query}>; rel="next"'
    handler.answer_json(items[start : start + size], headers=headers)


def info(repo: Repo, sha: str, handler: Handler) -> dict[str, Any]:
    """Return the facts about a repository at a commit."""
    facts = summary(repo, sha)
    blobs = truth(handler, "blobs")
    facts["siblings"] = [_sibling(entry, blobs=blobs) for entry in repo.commits[sha].values()]
    facts["cardData"] = repo.metadata(sha)
    facts["usedStorage"] = sum(entry.size for entry in repo.commits[sha].values())
    wanted = handler.params.get("expand")
    if wanted:
        facts = {key: facts.get(key) for key in ("_id", "id", *wanted)}
    return facts


def summary(repo: Repo, sha: str | None) -> dict[str, Any]:
    """Return what lists of repositories show of one."""
    card = repo.metadata(sha) if sha else repo.card
    facts: dict[str, Any] = {
        "_id": hashlib.sha256(f"{repo.kind} {repo.name}".encode()).hexdigest()[:24],
        "id": repo.name,
        "author": repo.owner,
        "sha": sha,
        "private": repo.private,
        "gated": "auto" if repo.gated is True else repo.gated,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "tags": tags_of(card),
        "createdAt": repo.created,
        "lastModified": repo.history[sha].date if sha else repo.created,
    }
    if repo.kind == "model":
        facts["modelId"] = repo.name
        facts |= {key: card[key] for key in ("library_name", "pipeline_tag") if key in card}
    return facts


def tree(repo: Repo, sha: str, path: str, handler: Handler) -> list[dict[str, Any]]:
    """Return the files and folders below ``path``.

    Raises:
        Refused: there is no such folder.
    """
    prefix = path.rstrip("/") + "/" if path else ""
    below = {n: e for n, e in repo.commits[sha].items() if n.startswith(prefix)}
    if path and not below:
        raise Refused(404, "EntryNotFound", f"{path} does not exist on {sha!r}")
    deep = truth(handler, "recursive")
    items: dict[str, dict[str, Any]] = {}
    for name, entry in sorted(below.items()):
        steps = name[len(prefix) :].split("/")
        for depth in range(1, len(steps)):
            folder = prefix + "/".join(steps[:depth])
            if (deep or depth == 1) and folder not in items:
                items[folder] = _folder(repo, sha, folder)
        if deep or len(steps) == 1:
            items[name] = entry.to_json()
    return _expanded(repo, sha, list(items.values()), truth(handler, "expand"))


def paths_info(repo: Repo, sha: str, handler: Handler) -> list[dict[str, Any]]:
    """Return what is at the paths of the request; those that do not exist are left out."""
    if handler.seen.headers.get("content-type", "").startswith("application/json"):
        asked = handler.json
        paths, expand = asked["paths"], bool(asked.get("expand"))
    else:
        form = parse_qs(handler.body.decode())
        paths, expand = form.get("paths", []), form.get("expand", ["false"])[-1].lower() == "true"
    items: list[dict[str, Any]] = []
    for path in paths:
        if path in repo.commits[sha]:
            items.append(repo.commits[sha][path].to_json())
        elif any(name.startswith(path.rstrip("/") + "/") for name in repo.commits[sha]):
            items.append(_folder(repo, sha, path.rstrip("/")))
    return _expanded(repo, sha, items, expand)


def refs(repo: Repo) -> dict[str, Any]:
    """Return branches and tags."""
    found: dict[str, Any] = {"converts": [], "pullRequests": []}
    for word, folder, names in (("branches", "heads", repo.refs), ("tags", "tags", repo.tags)):
        found[word] = [
            {"name": name, "ref": f"refs/{folder}/{name}", "targetCommit": sha}
            for name, sha in names.items()
        ]
    return found


def commits(repo: Repo, sha: str) -> list[dict[str, Any]]:
    """Return the commits that led to ``sha``, newest first."""
    return [
        {
            "id": commit.sha,
            "title": commit.title,
            "message": commit.message,
            "date": commit.date,
            "authors": [{"user": commit.author}],
            "formatted": {"title": commit.title, "message": commit.message},
        }
        for commit in repo.log(sha)
    ]


def truth(handler: Handler, name: str) -> bool:
    """Return a yes-or-no parameter of the address."""
    return handler.query.get(name, "false").lower() in ("true", "1")


def _sibling(entry: Entry, *, blobs: bool) -> dict[str, Any]:
    item: dict[str, Any] = {"rfilename": entry.path}
    if blobs:
        shown = entry.to_json()
        item |= {"size": entry.size, "blobId": entry.oid}
        if entry.sha256:
            item["lfs"] = {"sha256": entry.sha256, "size": entry.size}
            item["lfs"]["pointerSize"] = shown["lfs"]["pointerSize"]
    return item


def _folder(repo: Repo, sha: str, path: str) -> dict[str, Any]:
    inside = sorted(
        f"{n} {e.oid}" for n, e in repo.commits[sha].items() if n.startswith(path + "/")
    )
    oid = hashlib.sha1("\n".join(inside).encode(), usedforsecurity=False).hexdigest()
    return {"type": "directory", "oid": oid, "size": 0, "path": path}


def _expanded(
    repo: Repo, sha: str, items: list[dict[str, Any]], expand: bool
) -> list[dict[str, Any]]:
    if expand:
        for item in items:
            change: Commit = repo.last_change(sha, item["path"])
            item["lastCommit"] = {"id": change.sha, "title": change.title, "date": change.date}
    return items
