"""Models and data sets to this machine: verified, resumable, with lineage. Itself callable.

>>> import lancenb as lnb
>>> import tempfile
>>> lnb.download("synthetic", split="test", limit=20, cache=tempfile.mkdtemp()).kind
'dataset'

``lancenb.download(spec)`` takes Hub repositories, addresses, torchvision names, data sets, known
names and local paths; ``lancenb.plan(spec)`` says beforehand what would come;
:class:`ModelDownloader` and :class:`DatasetDownloader` are the front ends with a mode. What comes
back goes straight into ``lancenb.convert``.
"""

from __future__ import annotations

import inspect
import sys
from types import ModuleType

from . import errors, registry
from ._cache_report import CachedRevision, CacheReport, Cleared
from ._download import download
from ._entry import DatasetEntry
from ._probe import Probe
from .cache import Cache, CacheEntry
from .downloaders import DatasetDownloader, ModelDownloader
from .fetch import Fetched, Fetcher
from .lance_repo import open_lance
from .plan import DownloadPlan, PlannedFile, PlannedTensor, plan
from .policy import UrlPolicy
from .result import Download, DownloadedFile
from .sources import Source, parse

__all__ = [
    "Cache",
    "CacheEntry",
    "CacheReport",
    "CachedRevision",
    "Cleared",
    "DatasetDownloader",
    "DatasetEntry",
    "Download",
    "DownloadPlan",
    "DownloadedFile",
    "Fetched",
    "Fetcher",
    "ModelDownloader",
    "PlannedFile",
    "PlannedTensor",
    "Probe",
    "Source",
    "UrlPolicy",
    "download",
    "errors",
    "open_lance",
    "parse",
    "plan",
    "registry",
]


class _CallableModule(ModuleType):
    """A package that is also its own main verb: ``lancenb.download(...)``."""

    __call__ = staticmethod(download)


sys.modules[__name__].__class__ = _CallableModule
# without these, help and Shift-Tab swallow the first argument and show none of the others
__signature__ = inspect.signature(download)
__doc__ = f"{__doc__}\nThe arguments of ``lancenb.download``:\n\n{inspect.getdoc(download)}\n"
