"""What a conversion says to its user: reports, options, signatures."""

from __future__ import annotations

import inspect

import pyarrow as pa
import pytest
import torch

import lancenb as lnb
from lancenb.convert._report import shown_size
from lancenb.errors import InvalidArgument, UnknownOption


def test_sizes_in_a_report_suit_the_amount(tmp_path):
    assert [shown_size(n) for n in (0, 25, 999, 3_780_000, 46_827_520, 2_500_000_000)] == [
        *("0 B", "25 B", "999 B", "3.78 MB", "46.8 MB", "2.50 GB"),
    ]
    report = lnb.convert(pa.table({"n": [1]}), tmp_path / "one.lance")
    assert "one.lance v1: 1 row, 8 B in" in repr(report)
    assert ">row<" in report._repr_html_()


def test_weights_that_are_there_already_are_no_skipped_item(tmp_path):
    dm = lnb.DataManager(tmp_path / "store")
    dm.save_weights("w", {"a": torch.ones(2)})
    again = dm.save_weights("w", {"a": torch.ones(2)})
    assert "unchanged" in repr(again)
    assert "skipped" not in repr(again)
    assert "unchanged" in again._repr_html_()
    assert "<details>" not in again._repr_html_()


@pytest.mark.parametrize(
    ("option", "meant"), [("onerror", "on_error"), ("max_pixel", "max_pixels"), ("tag", "tags")]
)
def test_unknown_options_name_the_one_that_was_meant(tmp_path, option, meant):
    with pytest.raises(UnknownOption, match="images has no option") as caught:
        lnb.convert(pa.table({"image": [b""]}), tmp_path / "t.lance", kind="images", **{option: 1})
    assert f"did you mean {meant}?" in caught.value.hint
    assert "reencode" in caught.value.hint


@pytest.mark.parametrize("options", [{"kind": "csv"}, {"on_error": "stop"}, {"verify": "yes"}])
def test_wrong_choices_have_a_hint(tmp_path, options):
    with pytest.raises(InvalidArgument, match="is not one of") as caught:
        lnb.convert(
            pa.table({"image": [b""]}), tmp_path / "t.lance", **{"kind": "images"} | options
        )
    assert caught.value.hint


@pytest.mark.parametrize(("verb", "first"), [(lnb.convert, "source"), (lnb.download, "spec")])
def test_help_shows_the_first_argument_of_the_verbs(verb, first):
    assert next(iter(inspect.signature(verb).parameters)) == first
