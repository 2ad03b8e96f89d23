"""What a spec means: ``parse("hf:model:org/name@v1")``."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from ..errors import InvalidArgument, SourceNotFound
from . import registry

_REPO = r"[\w][\w.-]*(?:/[\w][\w.-]*)?"
_HF = re.compile(rf"hf:(model|dataset)s?:({_REPO})(?:@([^:]+))?(?::(.+))?")
# the address of a repository's page, as browsers show it; files in it are files
_PAGE = re.compile(
    r"https?://(?:www\.)?huggingface\.co/(?P<data>datasets/)?"
    r"(?!(?:api|blog|collections|datasets|docs|learn|models|papers|spaces|tasks)/)"
    r"(?P<name>[\w][\w.-]*/[\w][\w.-]*)/?(?:tree/(?P<revision>[\w.-]+)/?)?(?:[?#].*)?"
)
_TORCHVISION = re.compile(
    r"(?:alexnet|convnext|densenet|efficientnet|googlenet|inception|maxvit|mnasnet|mobilenet"
    r"|regnet|resnet|resnext|shufflenet|squeezenet|swin|vgg|vit_|wide_resnet)\w*"
)
_PLAIN_ID = re.compile(r"[\w][\w.-]*/[\w][\w.-]*")
FORMS = (
    "hf:model:ID[@rev]",
    "hf:dataset:ID[@rev][:glob]",
    "https://...",
    "torchvision:resnet18/IMAGENET1K_V1",
    "transformers:ID",
    "datasets:ID[:config]",
    "hf://datasets/ID/TABLE.lance[@rev]",
    "synthetic[:images|text|table]",
    "a known dataset (cifar10, mnist, ...), or its makers' own files (cifar10:official)",
    "a local path",
)


@dataclass(frozen=True)
class Source:
    """A parsed spec.

    Attributes:
        kind: ``model``, ``dataset``, ``url``, ``torchvision``, ``arrow``, ``lance``, ``official``,
            ``synthetic``, ``local``.
        name: repository id, address, weights name or path; for ``lance`` the table's place on the
            Hub (``datasets/acme/data/table.lance``).
        revision: branch, tag or commit.
        pattern: file pattern within a repository.
        config: configuration of a data set.
        entry: name in the registry, when it came from there.
    """

    kind: str
    name: str
    revision: str | None = None
    pattern: str | None = None
    config: str | None = None
    entry: str | None = None


def parse(spec: str | os.PathLike[str]) -> Source:
    """Understand a spec.

    Raises:
        InvalidArgument: it has a form that nothing here understands.
        SourceNotFound: it looks like a path, and nothing is there.

    >>> parse("hf:dataset:uoft-cs/cifar10@v1:data/test-*")
    Source(kind='dataset', name='uoft-cs/cifar10', revision='v1', pattern='data/test-*', \
config=None, entry=None)
    >>> parse("torchvision:resnet18").name
    'resnet18'
    """
    if isinstance(spec, os.PathLike):
        return _local(Path(spec))
    if not isinstance(spec, str) or not spec.strip():
        raise InvalidArgument(f"{spec!r} is no source", hint=_forms())
    spec = spec.strip()
    scheme, colon, rest = spec.partition(":")
    if scheme.lower() in ("http", "https") and rest.startswith("//"):
        page = _PAGE.fullmatch(spec)
        if page is not None:
            kind = "dataset" if page["data"] else "model"
            return Source(kind, page["name"], page["revision"])
        return Source("url", spec)
    if scheme == "hf" and rest.startswith("//"):
        return _lance(spec)
    if scheme == "hf" and colon:
        return _hub(spec)
    if scheme == "torchvision" and rest:
        return Source("torchvision", rest)
    if scheme == "transformers" and rest:
        name, _, revision = rest.partition("@")
        return Source("model", _repo(name, spec), revision or None)
    if scheme == "datasets" and rest:
        name, _, config = rest.partition(":")
        name, _, revision = name.partition("@")
        entry = registry.find(name)
        if entry is not None and entry.source == "hub":
            return Source("arrow", entry.target, revision or None, None, config or entry.config,
                          entry.name)  # fmt: skip
        local = Path(name).expanduser()
        if local.is_dir():
            return Source("arrow", str(local), None, None, config or None)
        return Source("arrow", _repo(name, spec), revision or None, None, config or None)
    if scheme == "synthetic":
        known = registry.find(spec)
        return Source("synthetic", rest or "images", entry=known.name if known else None)
    if spec.endswith(":official") and registry.find(spec.removesuffix(":official")) is not None:
        return _official(registry.info(spec.removesuffix(":official")))
    if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]+:", spec) and not Path(spec).exists():
        raise InvalidArgument(
            f"{_shown(spec)} is not a source that can be downloaded", hint=_forms()
        )
    path = Path(spec).expanduser()
    if path.exists():
        return _local(path)
    return _by_name(spec)


def _hub(spec: str) -> Source:
    match = _HF.fullmatch(spec)
    if not match:
        shown = repr(spec) if re.match(r"hf:(model|dataset)s?:", spec) else _shown(spec)
        raise InvalidArgument(
            f"{shown} is not a repository of the Hub",
            hint="hf:model:owner/name, hf:dataset:owner/name, with @revision and :pattern",
        )
    kind, name, revision, pattern = match.groups()
    return Source(kind, name, revision, pattern)


def _lance(spec: str) -> Source:
    from .lance_repo import parse_table

    place, at, _ = spec.removeprefix("hf:").partition("@")
    if at and ":" in place:
        raise InvalidArgument(
            f"{_shown(spec)} holds credentials",
            hint="hf://datasets/owner/name/table.lance, with token= if it needs one",
        )
    table = parse_table(spec)
    name = f"{table.repo_type}s/{table.repo_id}/{table.path}"
    return Source("lance", name, table.revision)


def _by_name(spec: str) -> Source:
    entry = registry.find(spec)
    if entry is None:
        if _PLAIN_ID.fullmatch(spec):
            raise SourceNotFound(
                f"{spec!r} is no local path",
                hint=f"for the Hub write hf:model:{spec} or hf:dataset:{spec}",
            )
        meant = _other_form(spec)
        raise SourceNotFound(
            f"there is nothing at {_shown(spec)}",
            hint=meant or registry.did_you_mean(spec) + _forms(),
        )
    return from_entry(entry.name)


def _other_form(spec: str) -> str:
    """Return a question about the form in which a bare name of a model is written."""
    if registry.did_you_mean(spec):
        return ""
    if _TORCHVISION.fullmatch(spec):
        return f"did you mean torchvision:{spec}?"
    if re.fullmatch(r"[A-Za-z]\w*(?:-[\w.]+)+", spec) and not Path(spec).suffix:
        return f"did you mean hf:model:{spec}?"
    return ""


def from_entry(name: str) -> Source:
    """Return the source of a registered data set.

    Raises:
        SourceNotFound: unknown, or it cannot be fetched automatically (the hint says how).
    """
    entry = registry.info(name)
    if entry.source == "synthetic":
        return Source("synthetic", entry.target, entry=entry.name)
    if entry.source == "hub":
        return Source("arrow", entry.target, None, None, entry.config, entry.name)
    if entry.source == "spec":
        return parse(entry.target)
    if entry.source == "official":
        return _official(entry)
    raise SourceNotFound(
        f"{entry.name} cannot be downloaded automatically", hint=entry.guide or entry.homepage
    )


def _official(entry: registry.DatasetEntry) -> Source:
    if entry.source == "guided":
        return from_entry(entry.name)
    return Source("official", entry.name, entry=entry.name)


def _local(path: Path) -> Source:
    path = path.expanduser()
    if not path.exists():
        raise SourceNotFound(f"there is nothing at {path}", hint="check the path")
    return Source("local", str(path.absolute()))


def _repo(name: str, spec: str) -> str:
    if not re.fullmatch(_REPO, name):
        raise InvalidArgument(f"{_shown(spec)} does not name a repository", hint="owner/name")
    return name


def _shown(spec: str) -> str:
    """Return a spec for a message: nothing that may be a password or a signature.

    Where ``@`` follows a colon, what stands on which side of it cannot be told for sure.
    """
    before, at, _ = spec.partition("@")
    if at and ":" in before:
        return repr(f"{before.partition(':')[0]}:…")
    bare = re.split(r"[?#]", spec, maxsplit=1)[0]
    return repr(bare if bare == spec else f"{bare}…")


def check_mode(mode: str, known: tuple[str, ...]) -> None:
    """Raise :class:`~lancenb.errors.InvalidArgument` unless ``mode`` is one of ``known``."""
    if mode not in known:
        raise InvalidArgument(f"mode={mode!r} is not known", hint=f"one of {', '.join(known)}")


def _forms() -> str:
    return "a source is one of:" + "".join(f"\n    {form}" for form in FORMS)
