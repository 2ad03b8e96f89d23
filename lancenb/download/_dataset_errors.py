"""Failures of ``datasets`` as typed errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import ChecksumMismatch, CorruptInput, LancenbError, SourceNotFound, UnsupportedFormat
from ._endpoint import endpoint
from ._hub_errors import hub_errors

_OTHERWISE = "mode='repo' takes its files as they are"
_UNITE = f"{_OTHERWISE}; lancenb.convert unites their columns"


@contextmanager
def dataset_errors(name: str, revision: str | None) -> Iterator[None]:
    """Map errors of ``datasets`` in the block."""
    import datasets.exceptions as known
    import pyarrow as pa

    with hub_errors(name, revision, endpoint()):
        try:
            yield
        except (known.DataFilesNotFoundError, FileNotFoundError) as error:
            raise SourceNotFound(
                f"{name} has no data files that can be read ({_line(error)})",
                hint="Parquet, Arrow, CSV, JSON, text or images; mode='repo' takes any file",
            ) from error
        except OSError as error:
            if type(error) is not OSError or error.errno is not None:
                raise
            found = ChecksumMismatch if "CRC checksum" in str(error) else CorruptInput
            raise found(  # what Arrow says of a file that it cannot read
                f"{name} is damaged ({_line(error)})",
                hint="run it again; if it stays so, tell its owner",
            ) from error
        except known.DatasetsError as error:
            raise CorruptInput(
                f"{name} could not be read ({_line(error)})", hint=_OTHERWISE
            ) from error
        except pa.ArrowException as error:
            if "Schema at index" in str(error):
                raise CorruptInput(
                    f"{name} changes its columns on the way: its files, or parts of them, "
                    "do not have the same",
                    hint=_UNITE,
                ) from error
            raise CorruptInput(
                f"{name} could not be read ({_line(error)})", hint=_OTHERWISE
            ) from error
        except RuntimeError as error:
            raise UnsupportedFormat(
                f"{name} could not be read ({_line(error)})",
                hint="datasets that need their own code to load are not supported",
            ) from error
        except ValueError as error:
            if isinstance(error, LancenbError):
                raise
            if "Invalid string class label" in str(error):  # datasets 5.2, folders in a zip
                raise UnsupportedFormat(
                    f"{name} has its classes as folders in an archive, which datasets cannot tell",
                    hint="mode='repo' takes the archive; lancenb.convert reads its classes",
                ) from error
            if type(error) is not ValueError:  # of pandas, of an encoding, of JSON
                raise CorruptInput(
                    f"{name} could not be read ({_line(error)})", hint=_OTHERWISE
                ) from error
            raise SourceNotFound(f"{name}: {_line(error)}", hint=_OTHERWISE) from error


def _line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
