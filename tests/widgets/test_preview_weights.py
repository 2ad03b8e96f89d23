"""The list of tensors and one tensor in detail."""

from __future__ import annotations

import base64
import io
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from lancenb.convert.weights import save_weights
from lancenb.errors import InvalidArgument, NotFound, VersionNotFound
from lancenb.widgets import preview
from lancenb.widgets._plots import NEGATIVE, NOT_A_NUMBER, POSITIVE, reduce
from lancenb.widgets._weights import TEXT_ROWS


@pytest.fixture
def model(tmp_path: Path) -> str:
    torch.manual_seed(3)
    tied = torch.randn(20, 8)
    state = {
        "embed.weight": tied,
        "conv.weight": torch.randn(6, 3, 5, 5),
        "half": torch.randn(7, 9).bfloat16(),
        "tiny": torch.randn(4, 4).to(torch.float8_e4m3fn),
        "flags": torch.tensor([[True, False], [False, False]]),
        "step": torch.tensor(12),
        "empty": torch.empty(0, 4),
        "wave": torch.full((3, 3), 3 + 4j),
        "odd": torch.tensor([[1.0, math.nan, math.inf], [-2.0, 0.0, 0.0]]),
        '<img src=x onerror="1">': torch.ones(2),
        "head.weight": tied,
    }
    uri = str(tmp_path / "model.lance")
    save_weights(state, uri)
    return uri


def picture(html: str) -> np.ndarray:
    (address,) = re.findall(r'class="lnb-heat"[^>]*src="data:image/png;base64,([^"]+)"', html)
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address))).convert("RGBA"))


def test_list_of_tensors(model: str):
    shown = preview(model)
    tensors = {t["name"]: t for t in shown.data["tensors"]}
    assert next(iter(tensors)) == "embed.weight"
    assert tensors["conv.weight"]["shape"] == [6, 3, 5, 5]
    assert tensors["head.weight"]["alias_of"] == "embed.weight"
    assert shown.data["nbytes"] == sum(t["nbytes"] for t in tensors.values() if not t["alias_of"])
    assert "6 × 3 × 5 × 5" in shown.html
    assert "shares embed.weight" in shown.html
    assert "<img" not in shown.html
    assert "11 tensors" in shown.text


def test_list_can_be_narrowed(model: str):
    shown = preview(model, tensor="*.weight")
    assert [t["name"] for t in shown.data["tensors"]] == [
        "embed.weight",
        "conv.weight",
        "head.weight",
    ]
    assert "3 tensors of 11 match" in shown.text
    assert "0 tensors of 11" in preview(model, tensor="nothing*").text
    assert "8 more tensors" in preview(model, rows=3).html


def test_long_list_is_cut_in_text(tmp_path: Path):
    uri = str(tmp_path / "many.lance")
    save_weights({f"layer{i}.w": torch.zeros(2) for i in range(300)}, uri)
    shown = preview(uri)
    assert shown.html.count('scope="row"') == 200
    assert "100 more tensors not shown" in shown.html
    assert shown.text.count("layer") == TEXT_ROWS


def test_one_tensor_in_figures(model: str):
    shown = preview(model, tensor="embed.weight", bins=10)
    torch.manual_seed(3)
    expected = torch.randn(20, 8).double().numpy()
    data = shown.data
    assert data["mean"] == pytest.approx(expected.mean(), rel=1e-6)
    assert data["std"] == pytest.approx(expected.std(), rel=1e-6)
    assert (data["low"], data["high"]) == (expected.min(), expected.max())
    counts, edges = np.histogram(expected, bins=10)
    assert data["counts"] == counts.tolist()
    assert data["edges"] == pytest.approx(edges.tolist())
    assert shown.html.count('class="bar"') == np.count_nonzero(counts)
    heat = picture(shown.html)
    assert heat.shape == (20, 8, 4)
    # Colour is the sign, opacity the size.
    drawn = np.where((heat[..., :3] == NEGATIVE).all(-1), -1.0, 1.0) * heat[..., 3]
    top = np.percentile(np.abs(expected), 99.5)
    assert np.abs(drawn / 255 * top - expected.clip(-top, top)).max() < top / 100


def test_awkward_values(model: str):
    odd = preview(model, tensor="odd")
    assert (odd.data["nan"], odd.data["inf"], odd.data["low"]) == (1, 1, -2.0)
    assert odd.data["zeros"] == 0.5
    assert tuple(picture(odd.html)[0, 1]) == (*NOT_A_NUMBER, 255)
    assert preview(model, tensor="wave").data["mean"] == pytest.approx(5.0)
    assert preview(model, tensor="step").data["mean"] == 12
    assert preview(model, tensor="flags").data["zeros"] == 0.75
    assert sum(preview(model, tensor="tiny").data["counts"]) == 16
    assert sum(preview(model, tensor="half").data["counts"]) == 63
    assert "empty" in preview(model, tensor="empty").text
    alias = preview(model, tensor="head.weight")
    assert "shares the storage of embed.weight" in alias.text
    assert "<img src=x" not in preview(model, tensor='<img src=x onerror="1">').html


def test_slices(model: str):
    flat = preview(model, tensor="conv.weight")
    assert picture(flat.html).shape == (6, 75, 4)
    assert "6 × 75" in flat.html
    cut = preview(model, tensor="conv.weight", index=(4, 2))
    assert picture(cut.html).shape == (5, 5, 4)
    for bad in ((4,), (6, 0), (0, 0, 0)):
        with pytest.raises(InvalidArgument, match="index"):
            preview(model, tensor="conv.weight", index=bad)


def test_log_counts_make_small_bars_visible(tmp_path: Path):
    uri = str(tmp_path / "spike.lance")
    values = torch.cat([torch.zeros(100_000), torch.linspace(-1, 1, 50)])
    save_weights({"w": values}, uri)

    def heights(html: str) -> list[float]:
        return [float(h) for h in re.findall(r'class="bar"[^>]*height="([\d.]+)"', html)]

    plain, log = (
        sorted(heights(preview(uri, tensor="w", log=flag).html)) for flag in (False, True)
    )
    assert plain[0] == 1.0
    assert log[0] > 5


def test_bad_arguments_are_named(model: str):
    with pytest.raises(NotFound, match=r"no tensor 'conv\.wieght'") as caught:
        preview(model, tensor="conv.wieght")
    assert "conv.weight" in caught.value.hint
    for bins in (0, 401):
        with pytest.raises(InvalidArgument, match="bins"):
            preview(model, tensor="half", bins=bins)
    with pytest.raises(InvalidArgument, match="label= is for images"):
        preview(model, label="cat")
    with pytest.raises(VersionNotFound):
        preview(model, version=9)


def test_only_that_tensor_is_read(model: str, monkeypatch: pytest.MonkeyPatch):
    import lancenb.convert.weights as room

    asked: list[Any] = []
    real = room.load_tensors
    monkeypatch.setattr(
        room,
        "load_tensors",
        lambda d, only=None, **k: asked.append(only) or real(d, only=only, **k),
    )
    preview(model)
    assert asked == []
    preview(model, tensor="half")
    assert asked == [["half"]]


def test_large_tensor_is_sampled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("lancenb.widgets._tensor.SAMPLE", 1000)
    uri = str(tmp_path / "large.lance")
    save_weights({"w": torch.arange(90_000.0).reshape(300, 300).to(torch.bfloat16)}, uri)
    shown = preview(uri, tensor="w")
    assert 500 < shown.data["sampled"] <= 1000
    assert "evenly spaced values" in shown.html
    assert shown.data["mean"] == pytest.approx(45_000, rel=0.02)


def test_reduce_averages_blocks():
    matrix = np.arange(16.0).reshape(4, 4)
    assert reduce(matrix, 2).tolist() == [[2.5, 4.5], [10.5, 12.5]]
    matrix[:2, :2] = np.nan
    matrix[2, 2] = np.nan
    small = reduce(matrix, 2)
    assert math.isnan(small[0, 0])
    assert small[1, 1] == pytest.approx((11 + 14 + 15) / 3)
    assert POSITIVE != NEGATIVE
