"""The training panel says what it would make."""

from __future__ import annotations

import lancenb as lnb
from lancenb.widgets._train_tab import TrainPanel


def words(panel: TrainPanel) -> str:
    assert panel._looking.settle(10)
    return panel._makes.value


def test_it_says_what_it_would_make(dm: lnb.DataManager, loud: list[BaseException]) -> None:
    panel = TrainPanel(dm, "shapes", key="")
    assert panel.fields["name"].placeholder == "resnet18"
    assert "Makes a new artefact resnet18." in words(panel)
    panel.fields["name"].value = "net"
    assert "Makes net, version 3." in words(panel)
    panel.fields["name"].value = "table"
    assert "table is there already and holds a table" in words(panel)
    panel.fields["name"].value = "a b"
    assert "cannot name an artefact" in words(panel)
    panel.fields["name"].value = ""
    panel.fields["model"].value = "net"
    assert panel.fields["name"].placeholder == "net"
    assert "Makes net, version 3." in words(panel)
    panel.close()


def test_it_starts_afresh_or_from_what_is_stored(
    dm: lnb.DataManager, loud: list[BaseException]
) -> None:
    panel = TrainPanel(dm, "shapes", key="")
    first = panel.run(model="resnet18", steps=1)
    assert (first.name, first.version, first.start) == ("resnet18", 1, "fresh weights")
    offered = dict(panel.fields["model"].options)
    assert offered["resnet18, fresh weights"] == "resnet18"
    assert offered["resnet18, as stored"] == panel.fields["model"].value, "it goes on from there"
    assert panel.code_line.code.startswith("lnb.fit('resnet18@latest', 'shapes'")
    assert panel.fields["name"].placeholder == "resnet18"
    assert "Makes resnet18, version 2." in words(panel)
    second = panel.run(model="resnet18@latest", steps=1)
    assert (second.version, second.start) == (2, "resnet18 version 1")
    panel.fields["model"].value = "net"
    assert panel.code_line.code.startswith("lnb.fit('net@latest', 'shapes'"), "also like a network"
    panel.close()
