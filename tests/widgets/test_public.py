"""Fields that are widget state hold no secret, whatever is pasted into them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ipywidgets
import pytest

import lancenb as lnb
from lancenb.errors import NotFound
from lancenb.store import lance_module
from lancenb.widgets import ConvertPanel, DownloadPanel, RegisterPanel, RollbackPanel
from lancenb.widgets._spec_box import SpecBox

from .test_download_panel import everything

SECRETS = ("https://ann:pa55w0rd@a.org/x?X-Amz-Signature=5ecre7", "s3://AKIAEXAMPLE:pa55w0rd",
           "hf_" + "s3cretTokenOfAnn" * 2)  # fmt: skip
FREE = ("description", "metadata")  # what is written about an artefact is its writer's


def leaks(text: str) -> list[str]:
    """Return the secrets in a text."""
    return [word for word in ("pa55w0rd", "5ecre7", "s3cretToken") if word in text]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("kind", [DownloadPanel, ConvertPanel, RegisterPanel, RollbackPanel])
def test_a_browser_can_put_a_secret_into_no_field(
    kind: Any, secret: str, dm: lnb.DataManager
) -> None:
    panel, tried = kind(dm, key=""), 0
    for name, field in panel.fields.items():
        if name in FREE or isinstance(field.value, (bool, int)) or hasattr(field, "index"):
            continue
        value = [secret] if isinstance(field.value, list) else secret
        if isinstance(field, SpecBox):
            field._answer_draft(secret, commit=True)
        else:
            field.set_state({"value": value})
        tried += 1
        assert leaks(str(field.value)) == []
        assert "***" in str(field.value), name
    assert tried
    for wait in ("_looking", "_look"):
        if hasattr(getattr(panel, wait, None), "settle"):
            getattr(panel, wait).settle()
    panel._click()
    panel.card.wait(60)
    assert panel.card.error or panel.primary.disabled
    states = [w.get_state() for w in list(ipywidgets.widgets.widget._instances.values())]
    assert leaks(everything(states, repr(panel), panel._repr_mimebundle_())) == []


def test_an_object_is_registered_by_its_address(dm: lnb.DataManager, tmp_path: Path) -> None:
    uri = str(tmp_path / "loose.lance")
    lance_module().write_dataset(dm.dataset("table").to_table(), uri)
    report = lnb.convert(uri, tmp_path / "made.lance")
    panel = RegisterPanel(dm, report, "made", key="")
    panel.settle()
    assert panel.box.value.endswith("made.lance")
    assert panel.box.table is report
    assert panel.run().rows == 50
    assert panel.box.value == ""


def refuse(asked: list[Any], uri: Any) -> Any:
    """Note what was asked for, and say that there is none."""
    asked.append(uri)
    raise NotFound(f"there is no table at {uri}")


def test_the_table_is_opened_with_its_secret(dm: lnb.DataManager, monkeypatch: Any) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(dm, "examine", lambda uri: refuse(asked, uri))
    panel = RegisterPanel(dm, key="")
    panel.box._answer_draft("s3://key:secret@bucket/x.lance", commit=True)
    panel.settle()
    assert asked[0] == "s3://key:secret@bucket/x.lance"
    assert panel.box.value == "s3://***@bucket/x.lance"
    assert "secret" not in panel._seen.value + panel.code_line.code
