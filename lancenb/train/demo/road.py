"""``run_demo``: every step of the road once, with figures, checked."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch

from ...catalog import DataManager
from ...data import LanceTorchDataset, loader, split
from .._quiet import quiet_lightning, seeded
from ..evaluation import Evaluation, evaluate
from ..fitting import fit
from ..result import FitResult
from ..stored import load_classifier, prepare_classifier
from ._farewell import farewell, short_path
from ._inputs import Rows, Weights, get_rows, get_weights
from ._printer import Printer
from .outcome import DemoResult
from .settings import DemoSettings

_STEPS = 12
#: Fewer steps than this say nothing about learning; the checks on it are then left open.
_ENOUGH_STEPS = 20


def run_demo(*, printer: Printer | bool = True, **options: Any) -> DemoResult:
    """Walk the whole road: store, data, weights, lineage, training, versions, rollback.

    Run again with the same store, it adds versions to the same artefacts.

    Args:
        printer: True prints each step, False nothing.
        **options: see :class:`~lancenb.train.demo.DemoSettings`.

    Returns:
        Figures and checks; ``result.ok`` says whether everything held.

    Raises:
        UnknownOption: a parameter that does not exist.
        InvalidArgument: a value that cannot work.
        StoreError: the store refuses.
        DownloadFailed: data or weights that were asked for explicitly cannot be had.

    >>> result = run_demo(dataset="synthetic", limit=200, offline=True)  # doctest: +SKIP
    >>> result.ok  # doctest: +SKIP
    True
    """
    settings = DemoSettings.of(options)
    if isinstance(printer, bool):
        printer = Printer.to_stdout(_STEPS) if printer else Printer(_STEPS)
    return _Road(settings, printer).walk()


class _Road:
    def __init__(self, settings: DemoSettings, out: Printer):
        self.settings = settings
        self.out = out
        self.checks: dict[str, bool | None] = {}
        self.notes: list[str] = []

    def walk(self) -> DemoResult:
        begin = time.monotonic()
        s, out = self.settings, self.out
        store = s.store().create()
        self.dm = dm = DataManager(store)
        probe = store.probe()
        safe = "commits are safe" if probe.safe else "it cannot refuse a lost race: one writer only"
        out.step("store", f"{store.uri}, {len(dm)} artefacts in it; {safe}")

        rows = get_rows(s)
        self._note(rows.note)
        out.step("get data", f"{rows.name}: {_origin(rows.train)}")
        train, test = self._convert_rows(rows)

        weights = get_weights(s)
        self._note(weights.note)
        out.step("get weights", f"{weights.name}: {_origin(weights.source)}")
        original = self._convert_weights(weights)
        model = weights.name

        before = self._before(model, original, train, test)
        result = self._train(model, train, original)
        after = self._after(before, result, test)
        assert result.version is not None
        dm.tag(model, "trained", result.version)
        report = result.report
        out.step(
            "store weights",
            f"{model} version {result.version}, tag 'trained': {report.rows} tensors,"
            f" {report.bytes / 1e6:.1f} MB written; made from {train.name} version {train.version}"
            + "".join(
                f"\n{name} version {number}: figures of each of its {result.history.num_rows} steps"
                for name, number in result.artefacts.values()
            ),
        )
        self._reload(model, result, test)
        difference = dm.diff(model, original, result.version)
        out.step("compare", f"dm.diff({model!r}, {original}, {result.version})")
        for line in repr(difference).splitlines()[:5]:
            out.more(line[:96].rstrip())
        head = self._roll_back(model, original)
        seconds = time.monotonic() - begin
        done = DemoResult(
            store.uri, (train.name, train.version), (test.name, test.version), model, original,
            result.version, head, before, after, result, self.checks, self.notes, seconds,
        )  # fmt: skip
        farewell(done, s, out)
        return done

    def _note(self, note: str) -> None:
        if note:
            self.notes.append(note)
            self.out.line(f"        note: {note}")

    def _convert_rows(self, rows: Rows) -> tuple[LanceTorchDataset, LanceTorchDataset]:
        s = self.settings
        name = f"{rows.name}-{s.split}"
        report = self.dm.convert(
            rows.train, name, kind="images", mode="overwrite", tags=["demo"],
            description=f"{rows.name}, split {s.split}, first {s.limit:,} rows",
            message="demo: training rows",
        )  # fmt: skip
        text = f"{name} version {report.version}: {_figures(report)}"
        train = LanceTorchDataset(self.dm[name], version=report.version)
        if rows.test is None:
            train, test = split(train, 0.2, seed=s.seed)
            text += f"\nno split to test on: {len(test):,} of its rows are held out"
        else:
            other = f"{rows.name}-{'test' if s.split != 'test' else 'train'}"
            second = self.dm.convert(
                rows.test, other, kind="images", mode="overwrite", tags=["demo", "held-out"],
                description=f"{rows.name}, held-out rows", message="demo: held-out rows",
            )  # fmt: skip
            text += f"\n{other} version {second.version}: {_figures(second)}"
            test = LanceTorchDataset(self.dm[other], version=second.version)
        self.out.step("convert data", text)
        return train, test

    def _convert_weights(self, weights: Weights) -> int:
        report = self.dm.convert(
            weights.source, weights.name, kind="weights", mode="overwrite", tags=["demo"],
            description=f"{weights.name}, as it came", message="demo: original weights",
        )  # fmt: skip
        self.out.step(
            "convert weights", f"{weights.name} version {report.version}: {_figures(report)}"
        )
        return int(report.version)

    def _before(
        self, model: str, version: int, train: LanceTorchDataset, test: LanceTorchDataset
    ) -> Evaluation:
        with seeded(self.settings.seed), quiet_lightning():
            start = prepare_classifier(
                model, train, self.dm, version, None, image_size=None, lr=self.settings.lr
            )
        found = evaluate(start.module, test)
        fresh = f", fresh head ({', '.join(start.fresh)})" if start.fresh else ""
        self.out.step(
            "evaluate before",
            f"accuracy {found.accuracy:.1%} on {found.rows:,} held-out rows"
            f" (chance {1 / max(1, start.module.num_classes):.0%}){fresh}",
        )
        return found

    def _train(self, model: str, train: LanceTorchDataset, version: int) -> FitResult:
        s = self.settings
        per_epoch = min(s.steps, -(-len(train) // s.batch))
        result = fit(
            model, train, manager=self.dm, name=model, version=version, epochs=s.epochs,
            steps=s.steps, batch_size=s.batch, lr=s.lr, seed=s.seed,
            message="demo: fine-tuned on " + train.name,
        )  # fmt: skip
        history = result.history
        all_rows = " (every row once)" if s.epochs == 1 and per_epoch < s.steps else ""
        text = (
            f"{history.num_rows} steps of {s.batch} rows{all_rows}, loss"
            f" {result.first_loss:.3f} -> {result.last_loss:.3f}, on {result.run['device']}"
        )
        self.out.step("train", text)
        for at in sorted({0, *range(9, history.num_rows, 10), history.num_rows - 1}):
            row = history.slice(at, 1).to_pylist()[0]
            self.out.more(
                f"step {row['step']:>4}  loss {row['train_loss']:.3f}"
                f"  accuracy {row['train_acc']:.0%}"
            )
        enough = history.num_rows >= _ENOUGH_STEPS
        falls = result.last_loss < result.first_loss
        self.checks["the loss falls"] = falls if enough else (True if falls else None)
        return result

    def _after(self, before: Evaluation, result: FitResult, test: LanceTorchDataset) -> Evaluation:
        found = evaluate(result.model, test)
        chance = 1 / max(1, result.model.num_classes)
        gain = found.accuracy - before.accuracy
        self.out.step(
            "evaluate after",
            f"accuracy {found.accuracy:.1%} ({gain:+.1%}), top-5 {found.top5:.1%},"
            f" F1 {found.f1:.3f} on the same {found.rows:,} rows",
        )
        # three standard errors above chance: luck alone does that about once in a thousand runs
        margin = 3 * (chance * (1 - chance) / found.rows) ** 0.5
        better = found.accuracy > chance + margin
        enough = result.history.num_rows >= _ENOUGH_STEPS
        self.checks["held-out accuracy beats chance"] = better if enough else (better or None)
        return found

    def _reload(self, model: str, result: FitResult, test: LanceTorchDataset) -> None:
        again = load_classifier(model, manager=self.dm, version="trained")
        stored, trained = again.net.state_dict(), result.model.net.state_dict()
        equal = list(stored) == list(trained) and all(
            torch.equal(_bits(stored[name]), _bits(trained[name])) for name in trained
        )
        images, _ = next(iter(loader(_sized(test, result.model), 32)))
        with torch.inference_mode():
            same = torch.equal(again(images), result.model(images))
        self.checks["the reloaded version equals the trained model bit for bit"] = equal and same
        verdict = "equal bit for bit" if equal and same else "DIFFERENT from the trained model"
        self.out.step("reload", f"{len(stored)} tensors and the logits of 32 rows: {verdict}")

    def _roll_back(self, model: str, version: int) -> int:
        wanted = self.dm.load_weights(model, version=version).state_dict
        back = self.dm.rollback(model, version)
        found = self.dm.load_weights(model).state_dict
        equal = list(wanted) == list(found) and all(
            torch.equal(_bits(wanted[name]), _bits(found[name])) for name in wanted
        )
        self.checks["the rollback gives the original weights"] = equal
        self.out.step(
            "roll back",
            f"{model}: head was version {back.old_head}, is version {back.new_head} with the"
            f" content of version {back.restored_from}"
            f" ({'equal bit for bit' if equal else 'DIFFERENT'});"
            " the trained weights stay under tag 'trained'",
        )
        return int(back.new_head)


def _sized(data: LanceTorchDataset, model: Any) -> LanceTorchDataset:
    from ...data import picture_transform

    fitting = picture_transform(data.picture_size, to=model.hparams["image_size"])
    return data if fitting is None else data.with_transform(fitting)


def _bits(tensor: torch.Tensor) -> torch.Tensor:
    """The bytes of a tensor: NaN equals NaN, 0 differs from -0."""
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)


def _origin(source: Any) -> str:
    path = getattr(source, "path", source)
    size = getattr(source, "size", None)
    if size is None and isinstance(path, Path):
        size = path.stat().st_size
    kept = " (cached)" if getattr(source, "from_cache", False) else ""
    return f"{short_path(str(path))}, {(size or 0) / 1e6:.1f} MB{kept}"


def _figures(report: Any) -> str:
    if report.kind == "weights" and not report.rows:
        return "holds these very weights already"
    unit = "tensors" if report.kind == "weights" else "images"
    rate = report.bytes / 1e6 / max(report.seconds, 1e-6)
    left_out = f", {len(report.skipped)} skipped" if report.skipped else ""
    return f"{report.rows:,} {unit}, {report.bytes / 1e6:.1f} MB, {rate:.0f} MB/s{left_out}"
