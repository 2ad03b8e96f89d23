"""Decodes only the region of a JPEG that a crop needs, by nvidia-nvimgcodec on the CPU."""

from __future__ import annotations

import functools
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ._cells import Cell

_starting = threading.Lock()
_mine = threading.local()


@functools.cache
def nvimgcodec() -> Any | None:
    """The library, or None when it is not installed or does not work here."""
    try:
        with _quiet():
            from nvidia import nvimgcodec as library

            _new_decoder(library)
    except Exception:  # missing, or built for another system: the other decoders remain
        return None
    return library


def decode_region(cell: Cell, box: tuple[int, int, int, int] | None) -> torch.Tensor | None:
    """Decode ``(top, left, height, width)`` of a JPEG, or all of it, to uint8 ``(3, h, w)``.

    The pixels are those of a whole decode: only rows and columns that the region does not need
    are left out.

    Returns:
        None when the library cannot decode it.
    """
    library: Any = nvimgcodec()
    decoder = getattr(_mine, "decoder", None)
    if decoder is None:  # decoders are not shared between threads
        with _starting:
            decoder = _mine.decoder = _new_decoder(library)
            _mine.params = library.DecodeParams(
                apply_exif_orientation=False, color_spec=library.ColorSpec.SRGB
            )
    stream = library.CodeStream(np.frombuffer(cell.view, np.uint8))
    if box is not None:
        top, left, height, width = box
        region = library.Region(top, left, top + height, left + width)
        stream = stream.get_sub_code_stream(0, region)
    try:
        image = decoder.decode(stream, params=_mine.params)
    except RuntimeError:
        return None
    return None if image is None else torch.from_numpy(np.asarray(image)).permute(2, 0, 1)


def _new_decoder(library: Any) -> Any:
    return library.Decoder(
        device_id=library.NVIMGCODEC_DEVICE_CPU_ONLY,
        max_num_cpu_threads=1,
        backends=[library.Backend(library.BackendKind.CPU_ONLY)],
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Load only its JPEG decoder: the others complain on stderr about missing CUDA libraries."""
    spec = find_spec("nvidia.nvimgcodec")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("nvidia.nvimgcodec")
    home = Path(next(iter(spec.submodule_search_locations))) / "extensions"
    with tempfile.TemporaryDirectory() as folder:
        for library in home.glob("libjpeg_turbo_ext*"):
            (Path(folder) / library.name).symlink_to(library)
        wanted = {"NVIMGCODEC_EXTENSIONS_PATH": folder, "PYNVIMGCODEC_VERBOSITY": "0"}
        before = {name: os.environ.get(name) for name in wanted}
        os.environ.update({n: v for n, v in wanted.items() if before[n] is None})
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
