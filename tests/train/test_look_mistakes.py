"""The mistakes of an evaluation as pictures."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from lancenb.data import LanceTorchDataset
from lancenb.errors import EmptyInput, InvalidArgument
from lancenb.train import evaluate, look, score
from tests.data.tables import CLASSES, image_table, pattern, png, write


class ColourOracle(torch.nn.Module):
    """The brightest channel is the class, and the surer the brighter."""

    class_names = CLASSES

    def forward(self, images):
        return images.float().mean(dim=(2, 3)) / 50


def wrongly_labelled(folder, wrong: int = 3, rows: int = 12):
    """Rows 0 to ``wrong - 1`` look like the class after the one they are said to be."""
    cells = [png(pattern((i + (i < wrong)) % 3, i)) for i in range(rows)]
    return write(image_table(cells, [i % 3 for i in range(rows)]), folder / "t.lance")


def test_each_mistake_shows_the_picture_of_its_row(tmp_path):
    found = evaluate(ColourOracle(), LanceTorchDataset(wrongly_labelled(tmp_path)))
    shown = found.gallery()
    assert isinstance(shown, look.Mistakes)
    rows = shown.table["row"].to_pylist()
    assert sorted(rows) == [0, 1, 2]
    for row, picture in zip(rows, shown.pictures, strict=True):
        assert np.array_equal(picture, pattern((row + 1) % 3, row))
    assert repr(shown) == "<Mistakes, 3 in 12 rows>"
    words = re.findall(r'alt="([^"]+)"', shown._repr_html_())
    assert any(
        re.fullmatch(r"row 0: labelled circle, taken for stripe \d\d\.\d%", w) for w in words
    )


def test_the_surest_come_first_and_n_bounds_them(tmp_path):
    found = evaluate(ColourOracle(), wrongly_labelled(tmp_path, wrong=8))
    shown = look.mistakes(found, n=5)
    chances = shown.table["probability"].to_pylist()
    assert chances == sorted(chances, reverse=True)
    assert chances == found.mistakes["probability"].to_pylist()[:5]
    assert repr(shown) == "<Mistakes, the 5 surest of 8 in 12 rows>"
    with pytest.raises(InvalidArgument, match="n must be"):
        look.mistakes(found, n=0)


def test_only_one_confusion(tmp_path):
    found = evaluate(ColourOracle(), wrongly_labelled(tmp_path, wrong=8))
    shown = look.mistakes(found, true="circle", predicted="stripe")
    assert set(shown.table["row"].to_pylist()) == {0, 3, 6}
    assert repr(shown) == "<Mistakes, 3 in 12 rows>"
    with pytest.raises(InvalidArgument, match="no class 'moon'"):
        look.mistakes(found, true="moon")


def test_no_mistakes_of_one_kind_does_not_say_that_all_rows_are_right(tmp_path):
    found = evaluate(ColourOracle(), wrongly_labelled(tmp_path, wrong=8))
    names = found.class_names
    off = found.confusion.copy()
    true, predicted = next(
        (names[row], names[column])
        for row, column in np.argwhere(off == 0).tolist()
        if row != column
    )
    shown = found.gallery(true=true, predicted=predicted)
    expected = f"<No such mistakes: none of the 8 is {true} taken for {predicted}>"
    assert repr(shown) == expected
    assert "all 12 rows are right" not in shown._repr_html_()


def test_rows_of_a_filtered_data_set_are_found_there_and_in_the_whole_table(tmp_path):
    uri = wrongly_labelled(tmp_path, wrong=4)
    part = LanceTorchDataset(uri, filter="path >= 'folder/0002.png'")
    found = evaluate(ColourOracle(), part)
    for data in (None, part, uri, LanceTorchDataset(uri)):
        shown = look.mistakes(found, data)
        for row, picture in zip(shown.table["row"].to_pylist(), shown.pictures, strict=True):
            assert np.array_equal(picture, pattern((row + 1) % 3, row))
    other = LanceTorchDataset(uri, filter="path >= 'folder/0003.png'")
    with pytest.raises(InvalidArgument, match="not all rows"):
        look.mistakes(found, other)


def test_data_of_another_version_is_refused_and_a_name_means_the_evaluated_one(tmp_path):
    uri = wrongly_labelled(tmp_path)
    found = evaluate(ColourOracle(), uri)
    write(image_table([png(pattern(0, 9))], [0]), uri, mode="overwrite")
    assert len(look.mistakes(found, uri).pictures) == 3
    with pytest.raises(InvalidArgument, match=r"version 1, the data is t\.lance version 2"):
        look.mistakes(found, LanceTorchDataset(uri))


def test_other_data_sets_and_scores_without_data():
    data = [(torch.full((3, 8, 8), 50 * i, dtype=torch.uint8), i % 2) for i in range(4)]
    logits = torch.tensor([[0.0, 3.0], [0.0, 1.0], [2.0, 0.0], [0.0, 1.0]])
    found = score(logits, torch.tensor([label for _, label in data]), ["a", "b"])
    shown = look.mistakes(found, data)
    assert shown.table["row"].to_pylist() == [0]
    assert shown.pictures[0].shape == (8, 8, 3)
    with pytest.raises(InvalidArgument, match="does not hold its data"):
        found.gallery()


def test_a_picture_that_went_away_leaves_its_words(tmp_path, monkeypatch):
    data = LanceTorchDataset(wrongly_labelled(tmp_path), on_error="skip")
    found = evaluate(ColourOracle(), data)
    monkeypatch.setattr(LanceTorchDataset, "fetch", lambda self, at: [])
    shown = found.gallery()
    assert shown.pictures == [None] * 3
    assert "row 0 cannot be read" in shown._repr_html_()
    assert len(shown.figure().axes) == 3
    with pytest.raises(EmptyInput):
        shown.live()


def test_no_mistakes_and_mistakes_that_were_not_kept(tmp_path):
    right = evaluate(ColourOracle(), wrongly_labelled(tmp_path, wrong=0))
    shown = right.gallery()
    assert repr(shown) == "<No mistakes, all 12 rows are right>"
    assert "image/png" not in shown._repr_mimebundle_()
    with pytest.raises(EmptyInput):
        shown.live()
    unkept = score(torch.eye(2), torch.tensor([1, 1]), mistakes=0)
    with pytest.raises(InvalidArgument, match="kept none") as error:
        unkept.gallery()
    assert "mistakes=100" in error.value.hint


def test_live_gives_a_gallery_that_filters_by_what_went_wrong(tmp_path):
    pytest.importorskip("anywidget")
    found = evaluate(ColourOracle(), wrongly_labelled(tmp_path, wrong=8))
    gallery = look.mistakes(found, live=True)
    try:
        assert gallery.total == 8
        gallery.where = "predicted = 'stripe' and probability > 0.3"
        assert gallery.wait(300)
        assert gallery.matches == 3
        gallery.selected = [item["row"] for item in gallery.first_items][:1]
        (row,) = gallery.rows(["row", "label", "predicted"]).to_pylist()
        assert (row["label"], row["predicted"]) == (0, "stripe")
        assert row["row"] in (0, 3, 6)
    finally:
        gallery.close()
    again = look.mistakes(found, n=2, live=True)
    assert again.total == 2, "each gallery has a table of its own"
    again.close()


def test_rows_that_another_data_set_skips_without_a_word_are_not_guessed(tmp_path):
    class Skipping(list):
        def __getitems__(self, indices):
            return [self[i] for i in indices if i != 1]

    data = Skipping((torch.full((3, 4, 4), 9.0 * i), i % 3) for i in range(5))
    found = evaluate(ColourOracle(), data, batch_size=2)
    assert found.rows == 4
    assert set(found.mistakes["row"].to_pylist()) == {-1}
    assert set(found.gallery().pictures) == {None}
