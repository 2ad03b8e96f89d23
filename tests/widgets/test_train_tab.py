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
