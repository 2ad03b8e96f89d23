"""The stand-in Hub: API and resolve on one origin, LFS content on another ("CDN")."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import parse_qs

from ._repos import Entry, Repo, Repos
from ._server import Handler, Origin


class HubStub:
    """``with HubStub() as hub: hub.repos.import_folder("model", "acme/x", folder)``.

    Args:
        tokens: token -> user name; private and gated repositories open with any of them that is
            in ``members``.
        members: users with access to private and gated repositories.
    """

    def __init__(
        self, tokens: dict[str, str] | None = None, members: tuple[str, ...] = ("ann",)
    ) -> None:
        self.tokens = tokens or {"hf_ann": "ann", "hf_bob": "bob"}
        self.members = members
        self.repos = Repos()
        self.blobs: dict[str, bytes | Path] = {}
        self.hub = Origin(self._hub)
        self.cdn = Origin(self._cdn)

    @property
    def url(self) -> str:
        """The endpoint."""
        return self.hub.url

    def env(self, home: Path) -> dict[str, str]:
        """Environment for clients."""
        return {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_UPDATE_CHECK": "1",
            "HF_HUB_DOWNLOAD_TIMEOUT": "5",
            "NO_PROXY": "127.0.0.1",
        }

    @property
    def leaked(self) -> list[str]:
        """Paths on the CDN that were asked with a token: must stay empty."""
        return [seen.path for seen in self.cdn.log if seen.auth]

    def close(self) -> None:
        """Stop both origins."""
        self.hub.close()
        self.cdn.close()

    def __enter__(self) -> HubStub:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # --- hub origin

    def _hub(self, handler: Handler) -> None:
        route = handler.route.lstrip("/")
        if route == "api/whoami-v2":
            user = self._user(handler)
            _json(handler, {"name": user, "type": "user"} if user else None, 200 if user else 401)
            return
        if route.startswith("api/"):
            kind, _, rest = route[4:].partition("/")
            repo, rest = self.repos.split(kind.rstrip("s"), rest)
            if self._refused(handler, repo, content=False):
                return
            assert repo is not None
            self._api(handler, repo, rest)
            return
        kind = "dataset" if route.startswith("datasets/") else "model"
        repo, rest = self.repos.split(kind, route.removeprefix("datasets/"))
        if self._refused(handler, repo, content=True):
            return
        assert repo is not None
        verb, _, rest = rest.partition("/")
        revision, _, path = rest.partition("/")
        if verb != "resolve":
            handler.answer(404)
            return
        self._resolve(handler, repo, revision, path)

    def _user(self, handler: Handler) -> str | None:
        return self.tokens.get((handler.seen.auth or "").removeprefix("Bearer "))

    def _refused(self, handler: Handler, repo: Repo | None, *, content: bool) -> bool:
        user = self._user(handler)
        if handler.seen.auth and user is None:
            _error(handler, 401, "", "Invalid credentials in Authorization header")
        elif repo is None or (repo.private and user not in self.members):
            _error(handler, 404 if user else 401, "RepoNotFound", "Repository not found")
        elif content and repo.gated and user not in self.members:
            message = f"Access to {repo.name} is restricted."
            _error(handler, 403 if user else 401, "GatedRepo", message)
        else:
            return False
        return True

    def _api(self, handler: Handler, repo: Repo, rest: str) -> None:
        verb, _, rest = rest.partition("/")
        if verb == "refs":
            names = [{"name": n, "ref": f"refs/heads/{n}", "targetCommit": c}
                     for n, c in repo.refs.items()]  # fmt: skip
            _json(handler, {"branches": names, "tags": [], "converts": []})
            return
        revision, _, path = rest.partition("/")
        sha = repo.resolve(revision or "main")
        if sha is None:
            _error(handler, 404, "RevisionNotFound", f"Invalid rev id: {revision}")
            return
        tree = repo.commits[sha]
        if verb in ("", "revision"):
            _json(handler, _info(repo, sha, tree, blobs="blobs" in handler.query))
        elif verb == "tree":
            self._tree(handler, tree, path)
        elif verb == "paths-info":
            asked = parse_qs(handler.body.decode()).get("paths", [])
            if handler.headers.get("Content-Type", "").startswith("application/json"):
                asked = json.loads(handler.body)["paths"]
            _json(handler, [item for path in asked for item in _listing(tree, path)])
        else:
            handler.answer(404)

    def _tree(self, handler: Handler, tree: dict[str, Entry], path: str) -> None:
        prefix = path.rstrip("/") + "/" if path else ""
        below = {name: entry for name, entry in tree.items() if name.startswith(prefix)}
        if path and not below:
            _error(handler, 404, "EntryNotFound", f"{path} does not exist")
            return
        deep = handler.query.get("recursive", "false").lower() in ("true", "1")
        expand = handler.query.get("expand", "false").lower() in ("true", "1")
        items: dict[str, dict[str, object]] = {}
        for name, entry in below.items():
            steps = name[len(prefix) :].split("/")
            for depth in range(1, len(steps)):
                folder = prefix + "/".join(steps[:depth])
                if deep or depth == 1:
                    items[folder] = {"type": "directory", "oid": "0" * 40, "size": 0,
                                     "path": folder}  # fmt: skip
            if deep or len(steps) == 1:
                items[name] = entry.to_json(expand=expand)
        _json(handler, list(items.values()))

    def _resolve(self, handler: Handler, repo: Repo, revision: str, path: str) -> None:
        sha = repo.resolve(revision)
        if sha is None:
            _error(handler, 404, "RevisionNotFound", f"Invalid rev id: {revision}")
            return
        entry = repo.commits[sha].get(path)
        if entry is None:
            _error(handler, 404, "EntryNotFound", "Entry not found", {"X-Repo-Commit": sha})
            return
        if entry.sha256 is None:
            headers = {"X-Repo-Commit": sha, "ETag": f'"{entry.oid}"'}
            handler.send_content(entry.data, headers)
            return
        self.blobs[entry.sha256] = entry.data
        headers = {
            "X-Repo-Commit": sha,
            "X-Linked-ETag": f'"{entry.sha256}"',
            "X-Linked-Size": str(entry.size),
            "Accept-Ranges": "bytes",
            "Location": f"{self.cdn.url}/lfs/{entry.sha256}?Signature=secret",
        }
        handler.answer(302, b"", headers)

    # --- CDN origin

    def _cdn(self, handler: Handler) -> None:
        sha256 = handler.route.rpartition("/")[2]
        data = self.blobs.get(sha256)
        if data is None:
            handler.answer(404)
        elif handler.query.get("Signature") != "secret":
            handler.answer(403)
        else:
            handler.send_content(data, {"ETag": f'"{sha256}"'})


def _info(repo: Repo, sha: str, tree: dict[str, Entry], *, blobs: bool) -> dict[str, object]:
    siblings = []
    for entry in tree.values():
        item: dict[str, object] = {"rfilename": entry.path}
        if blobs:
            item |= {"size": entry.size, "blobId": entry.oid}
            if entry.sha256:
                item["lfs"] = {"sha256": entry.sha256, "size": entry.size, "pointerSize": 134}
        siblings.append(item)
    return {
        "_id": "0" * 24,
        "id": repo.name,
        "sha": sha,
        "private": repo.private,
        "gated": "auto" if repo.gated else False,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "tags": [],
        "lastModified": "2024-01-02T03:04:05.000Z",
        "createdAt": "2024-01-01T00:00:00.000Z",
        "cardData": repo.card,
        "siblings": siblings,
    }


def _listing(tree: dict[str, Entry], path: str) -> list[dict[str, object]]:
    if path in tree:
        return [tree[path].to_json()]
    if any(name.startswith(path.rstrip("/") + "/") for name in tree):
        return [{"type": "directory", "oid": "0" * 40, "size": 0, "path": path}]
    return []


def _json(handler: Handler, value: object, status: int = 200) -> None:
    handler.answer(status, json.dumps(value).encode(), {"Content-Type": "application/json"})


def _error(
    handler: Handler, status: int, code: str, message: str, more: dict[str, str] | None = None
) -> None:
    headers = {"X-Error-Message": message, **(more or {})}
    if code:
        headers["X-Error-Code"] = code
    handler.answer(status, json.dumps({"error": message}).encode(), headers)
