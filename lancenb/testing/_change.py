"""What changes a repository: commits, branches, tags, settings, its name and its end."""

from __future__ import annotations

import base64
import json
from typing import Any

from ._access import User
from ._blobs import LFS_SUFFIXES, goes_to_lfs
from ._card import BadCard, read_card
from ._origin import Handler, Refused
from ._read import commit_of
from ._repos import KINDS, Entry, Repo, Repos, make_entry


def validate_yaml(handler: Handler) -> None:
    """Answer whether the metadata of a card can be read."""
    try:
        card = read_card(handler.json["content"].encode())
    except BadCard as error:
        handler.answer_json({"errors": [{"message": str(error)}], "warnings": []}, 400)
        return
    warnings = [] if card else [{"message": "empty or missing yaml metadata in repo card"}]
    handler.answer_json({"errors": [], "warnings": warnings})


def preupload(repo: Repo, revision: str, handler: Handler) -> None:
    """Answer which files go to LFS, and what the branch has under their paths."""
    tree = repo.commits.get(repo.resolve(revision) or "", {})
    files = []
    for file in handler.json["files"]:
        path, sample = file["path"], base64.b64decode(file.get("sample", ""))
        item = {"path": path, "shouldIgnore": False}
        item["uploadMode"] = "lfs" if goes_to_lfs(path, file["size"], sample) else "regular"
        if path in tree:
            item["oid"] = tree[path].sha256 or tree[path].oid
        files.append(item)
    handler.answer_json({"files": files})


def commit(repo: Repo, branch: str, user: User, handler: Handler, endpoint: str) -> None:
    """Make one commit of the lines of the request, all or nothing."""
    if "create_pr" in handler.query:
        raise Refused(400, "", "this local Hub has no pull requests")
    branch = branch.removeprefix("refs/heads/")
    if repo.refs and branch not in repo.refs:
        raise Refused(404, "RevisionNotFound", f"Invalid rev id: {branch}")
    lines = [json.loads(line) for line in handler.body.splitlines() if line.strip()]
    header = next(line["value"] for line in lines if line["key"] == "header")
    with repo.lock:
        head = repo.refs.get(branch)
        parent = header.get("parentCommit")
        if parent is not None and parent != head:
            raise Refused(412, "", "A commit has happened since. Please refresh and try again.")
        tree = dict(repo.commits[head]) if head else {}
        for line in lines:
            _apply(repo, tree, line["key"], line["value"])
        sha = repo.commit_tree(
            tree,
            branch,
            title=header.get("summary", ""),
            message=header.get("description", ""),
            author=user.name,
        )
    page = f"{endpoint}/{repo.prefix}{repo.name}/commit/{sha}"
    handler.answer_json({"success": True, "commitOid": sha, "commitUrl": page, "hookOutput": ""})


def _apply(repo: Repo, tree: dict[str, Entry], key: str, value: dict[str, Any]) -> None:
    path = value.get("path", "")
    if key == "file":
        content = value["content"]
        if value.get("encoding") == "base64":
            content = base64.b64decode(content)
        data = content if isinstance(content, bytes) else content.encode()
        tree[path] = make_entry(path, repo.blobs.add(data), lfs=False)
    elif key == "lfsFile":
        blob = repo.blobs.get(value["oid"])
        if blob is None:
            raise Refused(400, "", f"{path}: the LFS object {value['oid']} was not uploaded")
        tree[path] = make_entry(path, blob, lfs=True)
    elif key == "deletedFile":
        if path not in tree:
            raise Refused(404, "EntryNotFound", f"{path} does not exist")
        del tree[path]
    elif key == "deletedFolder":
        inside = [name for name in tree if name.startswith(path.rstrip("/") + "/")]
        if not inside:
            raise Refused(404, "EntryNotFound", f"{path} does not exist")
        for name in inside:
            del tree[name]
    elif key != "header":
        raise Refused(400, "", f"unknown operation {key!r}")


def branch(repo: Repo, name: str, handler: Handler) -> None:
    """Make or delete a branch."""
    if handler.command == "DELETE":
        if name not in repo.refs:
            raise Refused(404, "RevisionNotFound", f"Invalid rev id: {name}")
        if name == "main":
            raise Refused(403, "", "the main branch stays")
        del repo.refs[name]
    else:
        if name in repo.refs:
            raise Refused(409, "", f"Reference already exists: {name}")
        repo.refs[name] = commit_of(repo, handler.json.get("startingPoint") or "main")
    handler.answer_json({})


def tag(repo: Repo, name: str, handler: Handler) -> None:
    """Make a tag (``name`` is the revision to tag) or delete one."""
    if handler.command == "DELETE":
        if name not in repo.tags:
            raise Refused(404, "RevisionNotFound", f"Invalid rev id: {name}")
        del repo.tags[name]
    else:
        wanted = handler.json["tag"]
        if wanted in repo.tags:
            raise Refused(409, "", f"Tag reference exists already: {wanted}")
        repo.tags[wanted] = commit_of(repo, name)
    handler.answer_json({})


def squash(repo: Repo, branch: str, user: User, handler: Handler) -> None:
    """Replace the history of a branch by one commit."""
    head = repo.refs.get(branch)
    if head is None:
        raise Refused(404, "RevisionNotFound", f"Invalid rev id: {branch}")
    title = handler.json.get("message", "")
    del repo.refs[branch]
    repo.commit_tree(repo.commits[head], branch, title=title, message="", author=user.name)
    handler.answer_json({})


def settings(repo: Repo, handler: Handler) -> None:
    """Change who may see and read a repository."""
    asked = handler.json
    if "visibility" in asked:
        repo.private = asked["visibility"] == "private"
    repo.private = asked.get("private", repo.private)
    repo.gated = asked.get("gated", repo.gated)
    handler.answer_json({})


def create(repos: Repos, user: User, handler: Handler, endpoint: str) -> None:
    """Make a repository with the first commit that the Hub gives it."""
    asked = handler.json
    kind, name = named(asked, user)
    if kind not in KINDS:
        raise Refused(400, "", f"this local Hub keeps no repositories of type {kind}")
    page = f"{endpoint}/{KINDS[kind]}{name}"
    private = asked.get("visibility") == "private" or bool(asked.get("private"))
    with repos.lock:
        taken = repos.get(kind, name) is not None
        repo = None if taken else repos.create(kind, name, private=private)
    if repo is None:
        message = f"You already created this {kind} repo"
        handler.answer_json({"error": message, "url": page}, 409, {"X-Error-Message": message})
        return
    lines = [f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in sorted(LFS_SUFFIXES)]
    attributes = "".join(lines).encode()
    repo.commit({".gitattributes": attributes}, title="initial commit", author=user.name)
    handler.answer_json({"url": page, "name": name, "id": name, "private": private})


def named(asked: dict[str, Any], user: User) -> tuple[str, str]:
    """Return the kind and the full name that a request asks for."""
    name = asked["name"]
    owner = asked.get("organization") or user.name
    return asked.get("type") or "model", name if "/" in name else f"{owner}/{name}"


def move(repos: Repos, repo: Repo, target: str, handler: Handler) -> None:
    """Rename a repository."""
    if repos.get(repo.kind, target):
        raise Refused(409, "", f"{target} exists already")
    repos.move(repo, target)
    handler.answer_json({})
