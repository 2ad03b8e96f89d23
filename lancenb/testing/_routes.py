"""Which request goes where, and who may make it."""

from __future__ import annotations

from dataclasses import dataclass

from . import _change, _read, _resolve
from ._access import Access
from ._lfs import Uploads, check_signature
from ._origin import Handler, Refused
from ._plain import PlainFiles
from ._repos import KINDS, Repo, Repos
from ._search import page_of, search

_PLURALS = {f"{kind}s": kind for kind in KINDS}
_CHANGES = {"branch", "tag", "super-squash", "settings", "preupload", "commit"}


@dataclass
class Routes:
    """The applications of both origins."""

    repos: Repos
    access: Access
    uploads: Uploads
    plain: PlainFiles
    page_size: int
    resolve_cache: bool
    gzip_text: bool
    hub_url: str = ""
    cdn_url: str = ""

    def hub(self, handler: Handler) -> None:
        """Serve the hub origin."""
        parts = handler.segments
        if parts[0] != "api":
            self._page(handler, parts)
        elif parts[1:2] == ["resolve-cache"]:
            repo, rest = self._repo(handler, _PLURALS.get(parts[2], ""), parts[3:])
            self.access.check_readable(handler, repo)
            sha, entry = _resolve.find(repo, rest[0], "/".join(rest[1:]))
            _resolve.send(handler, sha, entry, gzip_text=self.gzip_text)
        elif parts[1:2] == ["complete-multipart"]:
            self.uploads.complete(handler, parts[2])
        elif len(parts) == 2 and parts[1] in _PLURALS:
            self._list(handler, _PLURALS[parts[1]])
        elif len(parts) > 2 and parts[1] in _PLURALS:
            repo, rest = self._repo(handler, _PLURALS[parts[1]], parts[2:])
            verb = rest[0] if rest else ""
            if verb in _CHANGES:
                self._change(handler, repo, verb, *_revision(rest[1:]))
            else:
                self._tell(handler, repo, verb, *_revision(rest[1:]))
        else:
            self._account(handler, "/".join(parts[1:]))

    def cdn(self, handler: Handler) -> None:
        """Serve the CDN origin."""
        what, _, rest = handler.route.lstrip("/").partition("/")
        if self.plain.answer(handler):
            return
        if what == "upload" and handler.command == "PUT":
            oid, _, part = rest.partition("/")
            self.uploads.put(handler, oid, part)
            return
        blob = self.uploads.blobs.get(rest) if what == "lfs" else None
        if blob is None:
            raise Refused(404, "", "there is nothing here")
        check_signature(handler)
        headers = {"ETag": f'"{blob.sha256}"', "Content-Type": "application/octet-stream"}
        handler.send_content(blob.path, headers)

    def _repo(self, handler: Handler, kind: str, parts: list[str]) -> tuple[Repo, list[str]]:
        """Return the repository that a path names, if the user may know of it, and the rest."""
        for count in (2, 1):  # owner/name, and the few names without an owner
            name = "/".join(parts[:count])
            found = self.repos.get(kind, name)
            if found and len(parts) >= count:
                return self.access.check_visible(handler, found), parts[count:]
            moved = self.repos.moved.get((kind, name))
            if moved:
                target = handler.path.replace(f"/{name}", f"/{moved}", 1)
                raise Refused(307, "", f"{name} has moved to {moved}", Location=target)
        return self.access.check_visible(handler, None), parts

    def _page(self, handler: Handler, parts: list[str]) -> None:
        """Serve what is not the API: files, and uploads to LFS."""
        kind = _PLURALS.get(parts[0], "model")
        parts = parts[1:] if parts[0] in _PLURALS else parts
        if "info" in parts and any(part.endswith(".git") for part in parts[:2]):
            where = parts.index("info")
            name = "/".join(parts[:where]).removesuffix(".git")
            self._lfs(handler, kind, name, parts[where:])
            return
        repo, rest = self._repo(handler, kind, parts)
        verb = rest[0] if rest else ""
        if verb not in ("resolve", "raw"):
            raise Refused(404, "", "this local Hub has no pages to look at")
        self.access.check_readable(handler, repo)
        revision, path = _revision(rest[1:])
        sha, entry = _resolve.find(repo, revision, path)
        if verb == "raw":
            _resolve.raw(handler, sha, entry)
        elif entry.sha256:
            _resolve.redirect_to_cdn(handler, sha, entry, self.cdn_url)
        elif self.resolve_cache:
            _resolve.redirect_to_cache(handler, repo, sha, entry)
        else:
            _resolve.send(handler, sha, entry, gzip_text=self.gzip_text)

    def _lfs(self, handler: Handler, kind: str, name: str, what: list[str]) -> None:
        repo = self.access.check_visible(handler, self.repos.get(kind, name))
        self.access.check_writable(handler, repo.owner)
        if what == ["info", "lfs", "objects", "batch"]:
            self.uploads.batch(repo, handler, self.hub_url, self.cdn_url)
        elif what == ["info", "lfs", "verify"]:
            self.uploads.verify(handler)
        else:
            raise Refused(404, "", "this local Hub speaks no git, only LFS uploads")

    def _list(self, handler: Handler, kind: str) -> None:
        user = self.access.user(handler)
        seen = [
            repo
            for repo in self.repos.all(kind)
            if not repo.private or self.access.belongs(user, repo.owner)
        ]
        found = search(seen, handler)
        _read.answer_page(handler, self.hub_url, found, page_of(handler, self.page_size))

    def _tell(self, handler: Handler, repo: Repo, verb: str, revision: str, path: str) -> None:
        if verb == "refs":
            handler.answer_json(_read.refs(repo))
            return
        if verb == "auth-check":
            self.access.check_readable(handler, repo)
            if revision == "write":
                self.access.check_writable(handler, repo.owner)
            handler.answer_json({})
            return
        sha = _read.commit_of(repo, revision or "main")
        if verb in ("", "revision"):
            handler.answer_json(_read.info(repo, sha, handler))
        elif verb == "tree":
            items = _read.tree(repo, sha, path, handler)
            _read.answer_page(handler, self.hub_url, items, self.page_size)
        elif verb == "paths-info":
            handler.answer_json(_read.paths_info(repo, sha, handler))
        elif verb == "commits":
            _read.answer_page(handler, self.hub_url, _read.commits(repo, sha), self.page_size)
        else:
            raise Refused(404, "", f"this local Hub has no {verb!r} of a repository")

    def _change(self, handler: Handler, repo: Repo, verb: str, name: str, path: str) -> None:
        user = self.access.check_writable(handler, repo.owner)
        name = f"{name}/{path}" if path else name
        if verb == "settings":
            _change.settings(repo, handler)
        elif verb == "branch":
            _change.branch(repo, name, handler)
        elif verb == "tag":
            _change.tag(repo, name, handler)
        elif verb == "super-squash":
            _change.squash(repo, name, user, handler)
        elif verb == "preupload":
            _change.preupload(repo, name, handler)
        else:
            _change.commit(repo, name, user, handler, self.hub_url)

    def _account(self, handler: Handler, what: str) -> None:
        user = self.access.user(handler)
        if what == "validate-yaml":
            _change.validate_yaml(handler)
            return
        if user is None:
            raise Refused(401, "", "Invalid username or password.")
        if what == "whoami-v2":
            handler.answer_json(self.access.about(user))
        elif what == "repos/create":
            _, name = _change.named(handler.json, user)
            self.access.check_writable(handler, name.rpartition("/")[0])
            _change.create(self.repos, user, handler, self.hub_url)
        elif what == "repos/delete":
            found = self.repos.get(*_change.named(handler.json, user))
            repo = self.access.check_visible(handler, found)
            self.access.check_writable(handler, repo.owner)
            self.repos.delete(repo)
            handler.answer_json({})
        elif what == "repos/move":
            source, target = handler.json["fromRepo"], handler.json["toRepo"]
            found = self.repos.get(handler.json.get("type") or "model", source)
            repo = self.access.check_visible(handler, found)
            for owner in (repo.owner, target.rpartition("/")[0]):
                self.access.check_writable(handler, owner)
            _change.move(self.repos, repo, target, handler)
        else:
            raise Refused(404, "", f"this local Hub has no /api/{what}")


def _revision(parts: list[str]) -> tuple[str, str]:
    """Split a path that begins with a revision: one step, or ``refs/heads/name``."""
    count = 3 if parts[:1] == ["refs"] and len(parts) > 2 else 1
    return "/".join(parts[:count]), "/".join(parts[count:])
