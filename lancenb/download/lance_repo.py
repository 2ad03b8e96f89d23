"""Lance tables in Hub repositories: opened where they are, or brought here, at one commit.

Lance reads ``hf://`` addresses itself but follows a branch, gives up on a private repository with
a page of Rust, and knows nothing of hashes. Here the commit is resolved first, and everything that
is read belongs to it.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import LancenbError, Offline
from ..progress import CancelToken, Tracker
from ._endpoint import is_offline
from ._hub_table import HubTable, parse_table, table_files, with_revision
from ._lance_files import clean_view, put_table
from ._names import check_token
from ._snapshot import Snapshot
from .cache import Cache
from .choose import Choice
from .errors import BlockedURL, DownloadDenied, GatedRepo
from .result import Download, DownloadedFile

if TYPE_CHECKING:
    import lance

    from ._records import Record
    from .policy import UrlPolicy

__all__ = ["HubTable", "lance_table", "open_at", "open_lance", "parse_table"]
_LOGIN = "pass token=, set HF_TOKEN, or run: hf auth login"


def open_lance(
    uri: str,
    *,
    revision: str | None = None,
    version: int | str | None = None,
    token: str | None = None,
    policy: UrlPolicy | None = None,
    cache: Cache | None = None,
) -> lance.LanceDataset:
    """Open a Lance table of a Hub repository where it is; only what is read is transferred.

    The revision is resolved to a commit first: what the repository gets later changes nothing for
    the dataset returned. The table cannot be written to.

    Args:
        uri: ``hf://datasets/owner/name/table.lance`` or ``hf://models/...``.
        revision: branch, tag or commit of the repository; default: the one in ``uri``, ``main``.
        version: version number or tag of the table at that commit; ``None`` for its newest.
        token: access token; default: ``HF_TOKEN`` or the login of this user.
        policy: rules of a server. Lance's own client cannot check addresses, so one that forbids
            private addresses is refused; :func:`~lancenb.download.download` obeys it.
        cache: where the listing of the commit is remembered.

    Raises:
        SourceNotFound: no such repository, or no table at that path.
        RevisionNotFound: no such revision of the repository.
        VersionNotFound: no such version of the table.
        TagNotFound: no such tag of the table.
        GatedRepo: terms to accept, or a token, are missing.
        DownloadDenied: the token is not good enough.
        Offline: the Hub does not answer, or may not be asked.
        BlockedURL: ``policy`` forbids it.
        UnsafeInput: it names files of other places, such as those of this machine.

    >>> open_lance("hf://datasets/acme/birds/birds.lance").count_rows()  # doctest: +SKIP
    """
    if policy is not None and not policy.allow_private:
        raise BlockedURL(
            f"{uri} would be opened by Lance's own client, which cannot check addresses",
            hint="lancenb.download(address, policy=...) brings it here, checked",
        )
    table = with_revision(parse_table(uri), revision)
    if is_offline():
        raise Offline(
            f"{table.uri} lies on the Hub, which may not be asked (HF_HUB_OFFLINE)",
            hint="lancenb.download(address, offline=True) finds a copy made before",
        )
    token = check_token(token)
    source = Snapshot(
        table.repo_id, table.repo_type, revision=table.revision, token=token,
        cache=cache or Cache(), tracker=Tracker(), cancel=None,
    )  # fmt: skip
    record = source.resolve(offline=False)
    if not source.revalidated:
        raise Offline(
            f"{table.uri} cannot be reached: no answer from {source.endpoint}",
            hint="check the network, or use lancenb.download(address, offline=True)",
        )
    table_files(table, record)
    return open_at(table, record, version, token)


def open_at(
    table: HubTable, record: Record, version: int | str | None, token: str | None
) -> lance.LanceDataset:
    """Open a table at the commit of ``record``; see :func:`open_lance`."""
    from huggingface_hub import get_token

    from ..store import check_self_contained, lance_errors, lance_module
    from ..store._open import check_version, explain

    check_version(table.uri, version)
    options = {"hf_revision": record.facts["commit"]}
    token = token or get_token()
    if token:
        options["hf_token"] = token
    module = lance_module()
    with _refusals(table, record), lance_errors(table.uri):
        try:
            opened = module.dataset(table.uri, version=version, storage_options=options)
        except ValueError as error:
            raise explain(module, table.uri, options, version, error) from error
        check_self_contained(opened, table.uri)
        return opened


@contextmanager
def _refusals(table: HubTable, record: Record) -> Iterator[None]:
    """Say what a refusal by the Hub means; Lance shows the raw answer."""
    try:
        yield
    except LancenbError as error:
        if not re.search(r"PermissionDenied|\b40[13]\b|access_key", str(error.__cause__ or error)):
            raise
        if record.facts.get("gated"):
            raise GatedRepo(
                f"{table.uri} is gated: its owner wants the terms accepted first",
                hint=f"open the repository's page, accept the terms, then {_LOGIN}",
            ) from None
        raise DownloadDenied(f"{table.uri} is not open to you", hint=_LOGIN) from None


def lance_table(
    name: str,
    *,
    revision: str | None = None,
    commit: str | None = None,
    token: str | None = None,
    to: Path | None = None,
    offline: bool = False,
    force: bool = False,
    cache: Cache,
    tracker: Tracker,
    cancel: CancelToken | None = None,
    policy: UrlPolicy | None = None,
    hub_engine: str = "auto",
) -> Download:
    """Bring one table of a Hub repository here: its files and no others, each verified.

    Args:
        name: ``datasets/owner/name/table.lance``.
        revision: branch, tag or commit of the repository.
        commit: the commit that ``revision`` led to when it was planned.
        token: access token.
        to: put the table here: a path that ends in ``.lance``, or a folder for it.
        offline: cache only.
        force: get it again.
        cache: where to keep it.
        tracker: progress.
        cancel: stops it.
        policy: which addresses may be asked.
        hub_engine: who moves the bytes, see :func:`~lancenb.download.download`.

    Returns:
        A result of kind ``"lance"`` whose path opens as a table. Without ``to`` it lies in the
        cache; a table to be written to belongs into a place of its own.

    Raises:
        SourceNotFound: no such repository, or no table at that path.
        AlreadyExists: something else lies at ``to``.
        ChecksumMismatch: what came is not what the repository promises.
        UnsafeInput: its newest version names files of other places.
    """
    table = with_revision(parse_table(name), revision)
    source = Snapshot(
        table.repo_id, table.repo_type, revision=table.revision, commit=commit, token=token,
        cache=cache, tracker=tracker, cancel=cancel, policy=policy, hub_engine=hub_engine,
    )  # fmt: skip
    offline = offline or is_offline()
    tracker.enter("resolve", table.uri)
    record = source.resolve(offline=offline)
    names = table_files(table, record)
    choice = Choice(tuple(names), [f"{glob.escape(table.path)}/*"])  # no set to be complete
    inner = [item.removeprefix(f"{table.path}/") for item in names]
    with cache.using_hub(source.home.name, cancel):  # nobody clears it meanwhile
        from_cache = source.fetch(record, choice, offline=offline, force=force)
        folder = source.home / "snapshots" / record.facts["commit"] / table.path
        if to is None:
            path = clean_view(cache, table.repo_id, record.facts["commit"], folder, inner, cancel)
        else:
            path = put_table(folder, inner, to.absolute(), tracker, force=force)
    files = tuple(
        DownloadedFile(path / short, short, seen["size"], seen["sha256"])
        for short, item in zip(inner, names, strict=True)
        for seen in [record.files[item]]
    )
    return Download(path, files, _lineage(table, source, record, path, files), from_cache, "lance")


def _lineage(
    table: HubTable, source: Snapshot, record: Record, path: Path, files: tuple[DownloadedFile, ...]
) -> dict[str, Any]:
    from datetime import UTC, datetime

    import huggingface_hub

    from ..store import check_self_contained, open_table

    opened = open_table(path)  # a table whose files are whole but do not fit is told here
    check_self_contained(opened, table.uri)
    return {
        "source": table.uri,
        "endpoint": source.endpoint,
        "repo_type": table.repo_type,
        "repo_id": table.repo_id,
        "path": table.path,
        "revision": table.revision or "main",
        **record.facts,
        "version": int(opened.version),
        "rows": int(opened.count_rows()),
        "files": [{"name": f.name, "size": f.size, "sha256": f.sha256} for f in files[:1000]],
        "clients": {"huggingface_hub": huggingface_hub.__version__},
        "downloaded": datetime.now(UTC).isoformat(timespec="seconds"),
        **({} if source.revalidated else {"revalidated": False}),
    }
