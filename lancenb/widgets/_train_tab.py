"""Training from the workbench: choose a start, train in the background, store the next version."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import ipywidgets as w

from lancenb.catalog._names import a_kind
from lancenb.errors import InvalidArgument

from ._curves import Curves
from ._fields import choice, facts, note, number, tell, text
from ._latest import Latest
from ._panel import Panel
from ._target_name import look_up

_NETWORKS = ("resnet18", "resnet34", "mobilenet_v3_small", "efficientnet_b0")


class TrainPanel(Panel):
    """Trains an image classifier on a table of the catalogue, with live curves.

    Args:
        manager: a ``DataManager``, or anything with its methods.
        data: name of the table of labelled images.
        key: see :class:`Panel`.
    """

    title = "Train on these images"
    lead = "The trained weights become the next version of the model."
    verb = "Train"

    def __init__(self, manager: Any, data: str, *, key: str | None = None):
        self._data = data
        super().__init__(manager, key=key)

    def _inputs(self) -> Iterable[w.Widget]:
        self._model = choice("Start from", self._starts(), key="model")
        self._name = text("Store as", key="name", placeholder=_plain(self._model.value))
        self._epochs = number("Epochs", key="epochs", value=1, low=1, high=10_000)
        self._steps = number("Steps (0: all)", key="steps", value=0, low=0)
        return (self._model, self._name, self._epochs, self._steps)

    def _starts(self) -> list[tuple[str, str]]:
        """Return what training can start from: networks, and weights of the catalogue."""
        fresh = [(f"{name}, fresh weights", name) for name in _NETWORKS]
        stored = [artefact.name for artefact in self.manager.list(kind="weights")]
        return [*fresh, *((f"{name}, as stored", _stored(name)) for name in stored)]

    def _advanced(self) -> Iterable[w.Widget]:
        self._lr = text("Learning rate", key="lr", placeholder="the classifier's own")
        self._batch = number("Batch size", key="batch_size", value=32, low=1, high=65536)
        self._val = text("Validation", key="val", placeholder="share of the rows, such as 0.1")
        self._seed = number("Seed", key="seed", value=42, low=0, high=2**31 - 1)
        return (self._lr, self._batch, self._val, self._seed)

    def _extra(self) -> Iterable[w.Widget]:
        self._makes = note("")
        self._looking = Latest(self._look, pause=0.05)
        return (self._makes,)

    def _refresh(self) -> None:
        super()._refresh()
        self._name.placeholder = _plain(self._model.value)
        self._looking.ask(self._target())

    def _target(self) -> str:
        """Return the name of what the training makes."""
        return self._name.value.strip() or _plain(self._model.value)

    def _look(self, name: str) -> None:
        """Say what the training would make; in a thread, the catalogue may be far away."""
        there = look_up(self.manager, name)
        if there.problem:
            tell(self._makes, f"{there.problem}.", tone="bad")
        elif not there.kind:
            tell(self._makes, f"Makes a new artefact {name}.")
        elif there.kind == "weights":
            tell(self._makes, f"Makes {name}, version {there.version + 1}.")
        else:
            words = f"{name} is there already and holds {a_kind(there.kind)}: choose another name."
            tell(self._makes, words, tone="bad")

    def close(self) -> None:
        """Close the panel."""
        self._looking.close()
        super().close()

    def _build(self) -> None:
        super()._build()
        self.curves = Curves()
        self.curves.layout.display = "none"  # until there is something to see
        below = list(self.children).index(self.card) + 1
        self.children = (*self.children[:below], self.curves, *self.children[below:])

    def _options(self) -> dict[str, Any]:
        """Return the arguments of ``fit`` that differ from its defaults, checked."""
        options: dict[str, Any] = {"epochs": self._epochs.value}
        if self._name.value.strip():
            options["name"] = self._name.value.strip()
        if self._steps.value:
            options["steps"] = self._steps.value
        for field, name in ((self._lr, "lr"), (self._val, "val")):
            if field.value.strip():
                options[name] = _real(field.value, field.description)
        if not 0 < options.get("val", 0.5) < 1:
            raise InvalidArgument("validation takes a share between 0 and 1", hint="such as 0.1")
        if options.get("lr", 1.0) <= 0:
            raise InvalidArgument("the learning rate must be above 0", hint="such as 0.001")
        for field, name, usual in ((self._batch, "batch_size", 32), (self._seed, "seed", 42)):
            if field.value != usual:
                options[name] = field.value
        return options

    def _work(self) -> Callable[..., Any]:
        manager, data, options = self.manager, self._data, self._options()
        model = _start(self._model.value)
        curves = self.curves
        curves.layout.display = None

        def work(progress: Any = None, cancel: Any = None) -> Any:
            from lancenb import fit

            return fit(
                model,
                data,
                manager=manager,
                curves=curves,
                progress=progress,
                cancel=cancel,
                **options,
            )

        return work

    def _code(self) -> str:
        extra = "".join(f", {name}={value!r}" for name, value in self._options().items())
        return f"lnb.fit({_start(self._model.value)!r}, {self._data!r}, manager=dm{extra})"

    def _show(self, result: Any) -> Iterable[w.Widget]:
        chosen = str(self._model.value)
        self._model.options = self._starts()
        # What was fresh is stored now: the next training goes on from there.
        self._model.value = _stored(chosen) if self._target() == chosen else chosen
        self._looking.ask(self._target())  # there is one version more
        pairs = [
            ("version", result.version),
            ("steps", f"{result.history.num_rows:,}"),
            ("loss", f"{result.first_loss:.3f} → {result.last_loss:.3f}"),
            ("time", f"{result.seconds:.1f} s"),
        ]
        seen = [value for value in result.history["val_acc"].to_pylist() if value is not None]
        if seen:
            pairs.insert(3, ("validation accuracy", f"{seen[-1]:.1%}"))
        return [facts(result.name or "not stored", pairs, chips=["weights"])]

    def _job_name(self) -> str:
        return f"train {self._target()}"


def _stored(name: str) -> str:
    """Return how stored weights are told from a network of their name with fresh ones."""
    return f"{name}@latest" if name in _NETWORKS else name


def _start(value: object) -> str:
    """Return what ``fit`` starts from: it knows more networks than are offered here."""
    return str(value) if value in _NETWORKS else f"{_plain(value)}@latest"


def _plain(start: object) -> str:
    return str(start).partition("@")[0]


def _real(words: str, label: str) -> float:
    try:
        return float(words)
    except ValueError:
        raise InvalidArgument(
            f"{label}: {words!r:.40} is no number", hint="such as 0.001"
        ) from None
