"""The data sets that lancenb draws itself."""

from __future__ import annotations

import hashlib
import io
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from lancenb.download import DatasetDownloader, download, synthetic
from lancenb.errors import InvalidArgument, SourceNotFound


def digest(split: str, start: int, stop: int, **options: int) -> str:
    pixels, labels = synthetic.images(split, start, stop, **options)
    return hashlib.sha256(pixels.tobytes() + labels.astype("<i8").tobytes()).hexdigest()


def test_pixels_are_the_same_for_ever() -> None:
    golden = {
        ("train", 0): "6f4faf1c9d1f1bebb8b41b689282c00a",
        ("test", 0): "5b4887124ceab311ab895370eff575bd",
        ("train", 7): "ec8ac2bacf26af6ea058c468a0da91eb",
    }
    found = {key: digest(key[0], 0, 100, seed=key[1])[:32] for key in golden}
    assert found == golden, "raise synthetic.GENERATION when drawings change on purpose"


def test_a_row_does_not_depend_on_the_batch() -> None:
    whole, labels = synthetic.images("train", 0, 50)
    for start, stop in ((0, 1), (13, 14), (7, 33), (49, 50)):
        part, some = synthetic.images("train", start, stop)
        assert (part == whole[start:stop]).all()
        assert (some == labels[start:stop]).all()


def test_classes_are_balanced_and_splits_disjoint() -> None:
    train, labels = synthetic.images("train", 0, 1000)
    test, _ = synthetic.images("test", 0, 1000)
    assert np.bincount(labels).tolist() == [100] * 10
    seen = {image.tobytes() for image in train}
    assert len(seen) == 1000
    assert not seen & {image.tobytes() for image in test}
    assert digest("train", 0, 10, seed=0) != digest("train", 0, 10, seed=1)


def test_other_sizes() -> None:
    pixels, _ = synthetic.images("train", 0, 3, size=64)
    assert pixels.shape == (3, 64, 64, 3)
    with pytest.raises(InvalidArgument):
        synthetic.images("train", 0, 3, size=4)
    with pytest.raises(SourceNotFound):
        synthetic.images("dev", 0, 3)


def test_shape_alone_tells_classes_apart() -> None:
    """The mean silhouettes of any two classes differ: colour is not all there is."""
    pixels, labels = synthetic.images("train", 0, 2000)
    grey = pixels.astype(float).max(axis=3)
    contrast = np.abs(grey - np.median(grey, axis=(1, 2), keepdims=True))
    ink = (contrast > 40).mean(axis=(1, 2))
    means = np.array([ink[labels == label].mean() for label in range(10)])
    assert means.std() > 0.02


def test_parquet_with_features(cache: Path) -> None:
    import datasets
    from PIL import Image

    result = download("synthetic", split="test", limit=30)
    table = pq.read_table(result.path / "part-00000.parquet")
    assert table.num_rows == 30
    assert datasets.Features.from_arrow_schema(table.schema)["label"].names == list(
        synthetic.CLASSES
    )
    pixels, labels = synthetic.images("test", 0, 30)
    assert table["label"].to_pylist() == labels.tolist()
    decoded = np.asarray(Image.open(io.BytesIO(table["image"][11]["bytes"].as_py())))
    assert (decoded == pixels[11]).all()
    assert download("synthetic", split="test", limit=30).from_cache
    assert result.lineage["generation"] == synthetic.GENERATION


def test_a_folder_per_class(cache: Path, tmp_path: Path) -> None:
    result = DatasetDownloader("synthetic", "train", mode="repo", limit=20).download()
    assert sorted(p.name for p in result.path.iterdir()) == sorted(synthetic.CLASSES)
    assert len(list(result.path.rglob("*.png"))) == 20
    assert synthetic.write_folder(tmp_path / "own", "train", 10) > 0


def test_text_and_table(cache: Path) -> None:
    text = pq.read_table(download("synthetic:text", limit=200).path / "part-00000.parquet")
    assert set(text["label"].to_pylist()) == {0, 1, 2, 3}
    assert text["text"][0].as_py().endswith(".")
    table = pq.read_table(download("synthetic:table", limit=200).path / "part-00000.parquet")
    assert table.column_names == ["id", "height", "width", "weight", "group", "target"]
    assert 40 < sum(table["target"].to_pylist()) < 160
    assert DatasetDownloader("synthetic-text", limit=5).download().lineage["rows"] == 5
    with pytest.raises(SourceNotFound):
        download("synthetic:video")
    with pytest.raises(InvalidArgument):
        DatasetDownloader("synthetic-text", mode="repo").download()


def test_it_is_quick(cache: Path) -> None:
    began = time.process_time()
    download("synthetic", limit=1000)
    assert time.process_time() - began < 5
