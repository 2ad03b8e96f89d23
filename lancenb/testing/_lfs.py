"""Uploads of large files: the Git LFS batch interface, in one piece or in parts."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ._blobs import Blobs
from ._origin import Handler, Refused
from ._repos import Repo

SIGNATURE = "secret"
_SIGNED = f"Signature={SIGNATURE}"
_OID = re.compile(r"[0-9a-f]{64}")


class Uploads:
    """Content on its way in.

    Args:
        blobs: where it goes.
        part_size: larger files come in parts of this size.
    """

    def __init__(self, blobs: Blobs, part_size: int):
        self.blobs = blobs
        self.part_size = part_size
        self._parts: dict[tuple[str, int], Path] = {}

    def batch(self, repo: Repo, handler: Handler, hub: str, cdn: str) -> None:
        """Answer what to do with each object: nothing, or where to put it."""
        asked = handler.json
        if asked.get("operation") != "upload":
            raise Refused(400, "", "this local Hub takes LFS objects, and gives them by resolve")
        parts = "multipart" in asked.get("transfers", [])
        objects = [self._object(repo, item, hub, cdn, parts) for item in asked["objects"]]
        transfer = "multipart" if any(_in_parts(item) for item in objects) else "basic"
        answer = {"transfer": transfer, "objects": objects, "hash_algo": "sha256"}
        handler.answer_json(answer, headers={"Content-Type": "application/vnd.git-lfs+json"})

    def _object(
        self, repo: Repo, item: dict[str, Any], hub: str, cdn: str, parts: bool
    ) -> dict[str, Any]:
        oid, size = item["oid"], item["size"]
        if not _OID.fullmatch(oid):
            error = {"code": 422, "message": "the oid of an object is its SHA-256"}
            return {"oid": oid, "size": size, "error": error}
        if self.blobs.get(oid):
            return {"oid": oid, "size": size}
        upload: dict[str, Any] = {"href": f"{cdn}/upload/{oid}?{_SIGNED}"}
        if parts and size > self.part_size:
            count = -(-size // self.part_size)
            upload["href"] = f"{hub}/api/complete-multipart/{oid}?{_SIGNED}"
            upload["header"] = {"chunk_size": str(self.part_size)} | {
                str(n): f"{cdn}/upload/{oid}/{n}?{_SIGNED}" for n in range(1, count + 1)
            }
        verify = {"href": f"{hub}/{repo.prefix}{repo.name}.git/info/lfs/verify", "header": {}}
        return {"oid": oid, "size": size, "actions": {"upload": upload, "verify": verify}}

    def put(self, handler: Handler, oid: str, part: str) -> None:
        """Take an object, or a part of one."""
        check_signature(handler)
        received = self.blobs.receive(handler.incoming.blocks())
        digest = hashlib.md5(usedforsecurity=False)
        for block in _blocks(received):
            digest.update(block)
        if part:
            self._parts[oid, int(part)] = received
        else:
            self._keep(received, oid)
        handler.answer(200, b"", {"ETag": f'"{digest.hexdigest()}"'})

    def complete(self, handler: Handler, oid: str) -> None:
        """Put the parts of an object together."""
        check_signature(handler)
        numbers = [part["partNumber"] for part in handler.json["parts"]]
        files = [self._parts.pop((oid, number), None) for number in numbers]
        if not all(files):
            raise Refused(400, "", f"not all parts of {oid} have come")
        whole = self.blobs.receive(block for file in files if file for block in _blocks(file))
        for file in files:
            if file:
                file.unlink()
        self._keep(whole, oid)
        handler.answer_json({})

    def verify(self, handler: Handler) -> None:
        """Answer whether an object is here with the right size."""
        asked = handler.json
        blob = self.blobs.get(asked["oid"])
        if blob is None or blob.size != asked["size"]:
            raise Refused(404, "", f"the object {asked['oid']} has not come as announced")
        handler.answer_json({})

    def _keep(self, file: Path, oid: str) -> None:
        blob = self.blobs.keep(file)
        if blob.sha256 != oid:
            raise Refused(400, "", f"the content has the hash {blob.sha256}, not {oid}")


def check_signature(handler: Handler) -> None:
    """Raise Refused unless the address is one that the Hub signed."""
    if handler.query.get("Signature") != SIGNATURE:
        raise Refused(403, "", "the signature is missing or wrong")


def _in_parts(item: dict[str, Any]) -> bool:
    return "chunk_size" in item.get("actions", {}).get("upload", {}).get("header", {})


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            yield block
