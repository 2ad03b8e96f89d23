"""A source that has to be downloaded first, told by its scheme."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lancenb.progress import CancelToken, ProgressCallback

# what no path on this machine looks like; plain names such as "cifar10" are not guessed at
_SCHEME = re.compile(
    r"(?:https?://|hf://|hf:(?:model|dataset)s?:|(?:torchvision|transformers|datasets):.)", re.I
)
_SYNTHETIC = re.compile(r"synthetic:\w+")


def fetched(
    source: Any,
    progress: ProgressCallback | bool | None = None,
    cancel: CancelToken | None = None,
) -> Any:
    """Download what plainly is a spec of :func:`lancenb.download`; return all else as it is.

    Args:
        source: what is to be converted.
        progress: told about the download, too.
        cancel: stops it.

    Raises:
        LancenbError: the download failed.

    >>> fetched("./photos")
    './photos'
    """
    if not isinstance(source, str) or not is_spec(source):
        return source
    from lancenb.download import download

    return download(source.strip(), progress=progress, cancel=cancel)


def is_spec(text: str) -> bool:
    """Whether a text can only mean something to be downloaded.

    >>> is_spec("hf:model:acme/bert"), is_spec("https://a.org/x.csv"), is_spec("cifar10")
    (True, True, False)
    """
    spec = text.strip()
    if os.path.lexists(text):
        return False
    if _SCHEME.match(spec) or _SYNTHETIC.fullmatch(spec):
        return True
    return spec.endswith(":official") and _known(spec.removesuffix(":official"))


def hint_of_name(text: str) -> str:
    """Return how to get a data set that is known by name, or nothing."""
    if not _known(text):
        return ""
    return f"for the data set of that name: convert(lancenb.download({text!r}), ...)"


def _known(name: str) -> bool:
    from lancenb.download import registry

    return registry.find(name) is not None
