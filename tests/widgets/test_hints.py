"""Hints of errors in the words of a panel, and errors of the form that go away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import lancenb as lnb
from lancenb.errors import AlreadyExists, InvalidArgument
from lancenb.testing import FileServer
from lancenb.widgets import ConvertPanel, DownloadPanel, RegisterPanel
from lancenb.widgets._hints import in_panel


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        (
            'use mode="overwrite" for a next version, mode="append" to add rows, or another name',
            "choose mode overwrite for a next version, mode append to add rows, or another name",
        ),
        ("pass kind='weights', 'images', 'text' or 'table' if you know better",
         "choose the kind under Advanced if you know better"),
        ('ragged="skip" leaves such rows out',
         "“Odd rows: leave out and list” leaves such rows out"),
        ("pass limits=Limits(...) if you trust the file",) * 2,
        ("pass exist_ok=True to use it", "in Python, pass exist_ok=True to use it"),
        ("allow_nan=True takes NaN", "“Take NaN and Infinity” on takes NaN"),
        ("for instance [('label', '=', 3)]; timedelta(days=30), f(mode='create')",) * 2,
        ("pass token= instead", "take a signed address, or lnb.download with a token"),
        ("pass token= if the file needs a login; x",
         "this panel cannot log in there: take a signed address, or lnb.download with a token; x"),
        ("log in: pass token=, set HF_TOKEN, or run: hf auth login",
         "log in: set HF_TOKEN or run: hf auth login"),
    ],
)  # fmt: skip
def test_hints_speak_of_fields(dm: lnb.DataManager, hint: str, words: str) -> None:
    assert in_panel(hint, ConvertPanel(dm, key="").fields) == words


def test_what_a_panel_shows_and_what_it_raises(dm: lnb.DataManager, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a\n1\n")
    panel = ConvertPanel(dm, tmp_path / "a.csv", "table", key="")
    with pytest.raises(AlreadyExists) as caught:
        panel.run()
    assert 'mode="overwrite"' in caught.value.hint  # whoever calls it writes Python
    assert panel.card.hint.startswith("choose mode overwrite")
    register = RegisterPanel(dm, str(tmp_path / "a.csv"), "table", key="")
    register.settle()
    assert "=" not in register.card.hint


def test_a_refused_address_can_be_corrected(
    cache: Path, files: FileServer, dm: lnb.DataManager, loud: Any
) -> None:
    address = files.add("/x.csv", b"a\n1\n")
    panel = DownloadPanel(dm, address.replace("//", "//ann:pa55w0rd@"), key="")
    panel.primary.click()
    panel.card.wait(60)
    assert panel.card.hint == "take a signed address, or lnb.download with a token"
    assert not panel.primary.disabled
    panel.box.value = address
    panel.primary.click()
    panel.card.wait(60)
    assert panel.plan is not None


def test_telling_a_card_again_and_again_ends(dm: lnb.DataManager) -> None:
    panel = ConvertPanel(dm, key="")
    for hint in ('mode="append"', "x", 'mode="append"'):
        panel.card.put(hint=hint, error="s3://key:secret", traceback="token=secret")
        assert "secret" not in panel.card.error + panel.card.traceback
    assert panel.card.hint == "mode append"


@pytest.mark.parametrize("kind", [ConvertPanel, DownloadPanel])
def test_an_error_of_the_form_goes_when_it_is_corrected(
    kind: Any, dm: lnb.DataManager, loud: Any
) -> None:
    panel = kind(dm, key="")
    panel.primary.click()
    assert (panel.card.state, panel.card.error) == ("failed", "there is no source yet")
    assert isinstance(panel.error, InvalidArgument)
    panel.box.value = "synthetic"
    assert (panel.card.state, panel.card.error) == ("idle", "")
