"""Files by address: small ones from the Hub itself, LFS content from the CDN."""

from __future__ import annotations

import gzip
import mimetypes
from urllib.parse import quote

from ._lfs import SIGNATURE
from ._origin import Handler, Refused
from ._read import commit_of
from ._repos import Entry, Repo, lfs_pointer


def find(repo: Repo, revision: str, path: str) -> tuple[str, Entry]:
    """Return the commit and the file.

    Raises:
        Refused: there is no such revision or file.
    """
    sha = commit_of(repo, revision)
    entry = repo.commits[sha].get(path)
    if entry is None:
        # The commit belongs to the answer: clients remember that this file is not in it.
        raise Refused(404, "EntryNotFound", "Entry not found", X_Repo_Commit=sha)
    return sha, entry


def redirect_to_cdn(handler: Handler, sha: str, entry: Entry, cdn: str) -> None:
    """Answer with a redirect to the CDN; for LFS files only."""
    assert entry.sha256
    address = f"{cdn}/lfs/{entry.sha256}?Expires=4102444800&Signature={SIGNATURE}"
    headers = {
        **_facts(sha, entry),
        "ETag": f'"{entry.oid}"',
        "X-Linked-ETag": f'"{entry.sha256}"',
        "X-Linked-Size": str(entry.size),
        "Accept-Ranges": "bytes",
        "Location": address,
    }
    # As on the real Hub, Content-Length is that of these words, not of the file.
    handler.answer(302, f"Found. Redirecting to {address}".encode(), headers)


def redirect_to_cache(handler: Handler, repo: Repo, sha: str, entry: Entry) -> None:
    """Answer with a redirect on the same origin, as the real Hub does for small files."""
    path = f"/api/resolve-cache/{repo.kind}s/{repo.name}/{sha}/{quote(entry.path)}"
    headers = {**_facts(sha, entry), "ETag": f'"{entry.oid}"', "Location": path}
    handler.answer(307, f"Temporary Redirect. Redirecting to {path}".encode(), headers)


def send(handler: Handler, sha: str, entry: Entry, *, gzip_text: bool) -> None:
    """Answer with the content."""
    headers = {**_facts(sha, entry), "ETag": f'"{entry.oid}"'}
    headers["Content-Type"] = _type(entry.path)
    if gzip_text and "gzip" in handler.seen.headers.get("accept-encoding", ""):
        headers |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
        headers["ETag"] = f'W/"{entry.oid}"'
        handler.send_content(gzip.compress(entry.data.read_bytes()), headers, chunked=True)
        return
    handler.send_content(entry.data, headers)


def raw(handler: Handler, sha: str, entry: Entry) -> None:
    """Answer with what git has: the pointer of an LFS file."""
    content = lfs_pointer(entry.sha256, entry.size) if entry.sha256 else entry.data.read_bytes()
    headers = {"X-Repo-Commit": sha, "ETag": f'"{entry.oid}"', "Content-Type": "text/plain"}
    handler.send_content(content, headers)


def _facts(sha: str, entry: Entry) -> dict[str, str]:
    name = quote(entry.path.rpartition("/")[2], safe="")
    disposition = f"inline; filename*=UTF-8''{name}; filename=\"{name}\";"
    return {"X-Repo-Commit": sha, "Content-Disposition": disposition}


def _type(path: str) -> str:
    return mimetypes.guess_type(path)[0] or "text/plain; charset=utf-8"
