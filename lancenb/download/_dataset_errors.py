"""Failures of ``datasets`` as typed errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import CorruptInput, LancenbError, SourceNotFound, UnsupportedFormat
from ._endpoint import endpoint
from ._hub_errors import hub_errors


@contextmanager
def dataset_errors(name: str, revision: str | None) -> Iterator[None]:
    """Map errors of ``datasets`` in the block."""
    import datasets.exceptions as known
    import pyarrow as pa

    try:
        with hub_errors(name, revision, endpoint()):
            try:
                yield
            except (known.DataFilesNotFoundError, FileNotFoundError) as error:
                raise SourceNotFound(
                    f"{name} has no data files that can be read ({_line(error)})",
                    hint="Parquet, Arrow, CSV, JSON, text or images; mode='repo' takes any file",
                ) from error
            except known.DatasetsError as error:
                raise CorruptInput(f"{name} could not be read ({_line(error)})") from error
            except pa.ArrowException as error:
                raise CorruptInput(f"{name} could not be read ({_line(error)})") from error
            except RuntimeError as error:
                raise UnsupportedFormat(
                    f"{name} could not be read ({_line(error)})",
                    hint="datasets that need their own code to load are not supported",
                ) from error
            except ValueError as error:
                if isinstance(error, LancenbError):
                    raise
                raise SourceNotFound(f"{name}: {_line(error)}") from error
    except LancenbError:
        raise


def _line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
