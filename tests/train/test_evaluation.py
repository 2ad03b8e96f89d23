from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_confusion_matrix,
    multiclass_f1_score,
)

import lancenb as lnb
from lancenb.data import LanceTorchDataset
from lancenb.errors import EmptyInput, InvalidArgument, SchemaMismatch
from lancenb.train import ImageClassifier, evaluate, score
from lancenb.train._score import Tally
from tests.data.tables import CLASSES, image_table, pattern, patterns, png, write


def test_score_of_six_rows_counted_by_hand():
    # true     0  0  0  1  1  2        class 3 never occurs and is never predicted
    # claimed  0  0  1  1  2  2
    claimed = [0, 0, 1, 1, 2, 2]
    logits = torch.zeros(6, 4)
    logits[range(6), claimed] = 1.0
    found = score(logits, torch.tensor([0, 0, 0, 1, 1, 2]), ["a", "b", "c", "d"])
    assert found.accuracy == pytest.approx(4 / 6)
    assert found.top5 == 1.0
    assert found.confusion.tolist() == [[2, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    # precision 2/2, 1/2, 1/2; recall 2/3, 1/2, 1/1; F1 4/5, 1/2, 2/3
    assert found.per_class["precision"].to_pylist() == pytest.approx([1, 0.5, 0.5, 0])
    assert found.per_class["recall"].to_pylist() == pytest.approx([2 / 3, 0.5, 1, 0])
    assert found.per_class["f1"].to_pylist() == pytest.approx([0.8, 0.5, 2 / 3, 0])
    assert found.f1 == pytest.approx((0.8 + 0.5 + 2 / 3) / 3)
    assert found.per_class["rows"].to_pylist() == [3, 2, 1, 0]
    # four logits, three 0 and one 1: -log softmax
    right, wrong = -np.log(np.e / (np.e + 3)), -np.log(1 / (np.e + 3))
    assert found.loss == pytest.approx((4 * right + 2 * wrong) / 6)


def test_score_agrees_with_torchmetrics():
    torch.manual_seed(0)
    logits, labels = torch.randn(500, 12), torch.randint(0, 12, (500,))
    found = score(logits, labels)
    wanted = multiclass_confusion_matrix(logits, labels, 12)
    assert np.array_equal(found.confusion, wanted.numpy())
    assert found.f1 == pytest.approx(float(multiclass_f1_score(logits, labels, 12)), abs=1e-6)
    top5 = multiclass_accuracy(logits, labels, 12, top_k=5, average="micro")
    assert found.top5 == pytest.approx(float(top5), abs=1e-6)
    assert found.accuracy == pytest.approx(
        float(multiclass_accuracy(logits, labels, 12, average="micro")), abs=1e-6
    )


def test_score_refuses_what_does_not_fit():
    with pytest.raises(EmptyInput):
        score(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64))
    with pytest.raises(InvalidArgument, match="3 classes"):
        score(torch.zeros(1, 3), torch.tensor([3]))
    with pytest.raises(InvalidArgument, match="fit together"):
        score(torch.zeros(2, 3), torch.tensor([0]))


class ColourOracle(torch.nn.Module):
    """Knows the patterns: the brightest channel is the class."""

    class_names = CLASSES

    def __init__(self):
        super().__init__()
        self.unused = torch.nn.Parameter(torch.zeros(1))

    def forward(self, images):
        return images.float().mean(dim=(2, 3))


def test_evaluate_scores_every_row_once(tmp_path):
    data = LanceTorchDataset(patterns(tmp_path / "p.lance", 32))
    model = ColourOracle().train()
    found = evaluate(model, data, batch_size=5)
    assert model.training, "the mode of the model is given back"
    assert (found.accuracy, found.rows) == (1.0, 32)
    assert np.diag(found.confusion).tolist() == [11, 11, 10]
    assert found.data == ("p.lance", 1)
    assert "accuracy 1.000" in repr(found)
    assert "<table>" in found._repr_html_()
    assert "circle" in found._repr_html_()


def test_evaluate_counts_classes_by_name_not_by_id(tmp_path):
    """Held-out data made without the first class has other ids for the same names."""
    cells = [png(pattern(label, i)) for i, label in enumerate([1, 2, 2])]
    uri = write(image_table(cells, [0, 1, 1], ["stripe", "dot"]), tmp_path / "t.lance")
    found = evaluate(ColourOracle(), uri)
    assert found.accuracy == 1.0
    assert found.confusion.tolist() == [[0, 0, 0], [0, 1, 0], [0, 0, 2]]
    strange = write(image_table(cells, [0, 1, 1], ["stripe", "zebra"]), tmp_path / "s.lance")
    with pytest.raises(InvalidArgument, match="zebra"):
        evaluate(ColourOracle(), strange)


def test_evaluate_resizes_mixed_pictures_and_counts_skipped(tmp_path):
    cells = [png(pattern(i % 3, i, 20 + i)) for i in range(6)]
    cells[2] = b"junk"
    uri = write(image_table(cells, [i % 3 for i in range(6)]), tmp_path / "t.lance")
    found = evaluate(ColourOracle(), LanceTorchDataset(uri, on_error="skip"))
    assert (found.rows, found.skipped, found.accuracy) == (5, 1, 1.0)


def test_evaluate_refuses_data_without_labels_or_rows(tmp_path):
    cells = [png(pattern(0, 0))]
    unlabelled = write(image_table(cells, None), tmp_path / "u.lance")
    with pytest.raises(InvalidArgument, match="no labels"):
        evaluate(ColourOracle(), unlabelled)
    empty = LanceTorchDataset(patterns(tmp_path / "p.lance", 3), filter="label > 9")
    with pytest.raises(EmptyInput):
        evaluate(ColourOracle(), empty)


def test_w56_a_real_test_step_gives_the_same_figures_as_evaluate(tmp_path):
    import lightning as L

    from lancenb.data import loader
    from lancenb.train._quiet import quiet_lightning

    torch.manual_seed(0)
    model = ImageClassifier("resnet18", 3, image_size=16, class_names=CLASSES)
    data = LanceTorchDataset(patterns(tmp_path / "p.lance", 20))
    with quiet_lightning():
        trainer = L.Trainer(logger=False, enable_progress_bar=False, accelerator="cpu")
        metrics = trainer.test(model, loader(data, 8), verbose=False)[0]
    found = evaluate(model, data)
    assert metrics["test_acc"] == pytest.approx(found.accuracy)
    assert metrics["test_loss"] == pytest.approx(found.loss, rel=1e-4)
    assert np.array_equal(model.test_confusion.numpy(), found.confusion)


def test_score_takes_batches_of_any_size_and_forgets_them():
    torch.manual_seed(1)
    logits, labels = torch.randn(300, 7), torch.randint(0, 7, (300,))
    whole = score(logits, labels, mistakes=20)
    tally = Tally(7, mistakes=20)
    for start in range(0, 300, 13):
        tally.add(logits[start : start + 13], labels[start : start + 13])
    assert np.array_equal(tally.confusion(), whole.confusion)
    assert (tally.top5(), tally.loss()) == (whole.top5, pytest.approx(whole.loss, rel=1e-12))
    kept = tally.wrong()
    assert kept["place"].tolist() == whole.mistakes["row"].to_pylist()
    assert all(len(column) == 20 for column in kept.values())


def test_mistakes_are_bounded_and_the_surest_come_first():
    # rows 1 and 3 are wrong with probabilities 0.9 and 0.6, row 4 with 0.9 again
    logits = torch.tensor([[0.8, 0.2], [0.9, 0.1], [0.3, 0.7], [0.4, 0.6], [0.9, 0.1]]).log()
    found = score(logits, torch.tensor([0, 1, 1, 0, 1]), ["a", "b"])
    assert found.wrong == 3
    assert found.mistakes["row"].to_pylist() == [1, 4, 3]
    assert found.mistakes["true"].to_pylist() == ["b", "b", "a"]
    assert found.mistakes["predicted"].to_pylist() == ["a", "a", "b"]
    assert found.mistakes["probability"].to_pylist() == pytest.approx([0.9, 0.9, 0.6])
    assert found.mistakes["loss"].to_pylist() == pytest.approx(-np.log([0.1, 0.1, 0.4]))
    assert score(logits, torch.tensor([0, 1, 1, 0, 1]), mistakes=1).mistakes.num_rows == 1
    none = score(logits, torch.tensor([0, 1, 1, 0, 1]), mistakes=0).mistakes
    assert (none.num_rows, none.schema) == (0, found.mistakes.schema)


def test_score_of_one_class_and_of_scores_that_are_no_numbers():
    one = score(torch.zeros(3, 1), torch.zeros(3, dtype=torch.int64))
    assert (one.accuracy, one.top5, one.confusion.tolist()) == (1.0, 1.0, [[3]])
    broken = score(torch.full((2, 3), torch.nan), torch.tensor([0, 1]))
    assert np.isnan(broken.loss)
    assert broken.confusion.sum() == 2


def test_evaluate_names_the_row_of_the_table_not_of_the_filtered_or_readable_part(tmp_path):
    cells = [png(pattern(i % 3, i)) for i in range(12)]
    cells[1] = cells[4] = b"junk"
    labels = [i % 3 for i in range(12)]
    labels[8] = 0  # row 8 looks like class 2
    uri = write(image_table(cells, labels), tmp_path / "t.lance")
    data = LanceTorchDataset(uri, filter="path >= 'folder/0001.png'", on_error="skip")
    found = evaluate(ColourOracle(), data, batch_size=2)
    assert (found.rows, found.skipped, found.wrong) == (9, 2, 1)
    assert found.mistakes["row"].to_pylist() == [8]
    assert found.mistakes["true"].to_pylist() == ["circle"]


class Halves(torch.nn.Module):
    """A network with a frozen part, as fine-tuning has them."""

    def __init__(self, fail: bool = False):
        super().__init__()
        self.frozen = torch.nn.Dropout(0.5)
        self.head = torch.nn.Linear(3, 3)
        self.fail = fail
        self.train()
        self.frozen.eval()

    def forward(self, images):
        if self.fail:
            raise RuntimeError("no")
        torch.rand(1)
        return self.head(self.frozen(images.float().mean(dim=(2, 3))))


@pytest.mark.parametrize("fail", [False, True])
def test_evaluate_leaves_the_model_and_the_random_numbers_as_they_were(tmp_path, fail):
    model = Halves(fail)
    before = torch.random.get_rng_state()
    try:
        evaluate(model, LanceTorchDataset(patterns(tmp_path / "p.lance", 6)))
        assert not fail
    except RuntimeError:
        assert fail
    assert torch.equal(torch.random.get_rng_state(), before)
    assert (model.training, model.frozen.training, model.head.training) == (True, False, True)


def stored(tmp_path, flip: int = 0):
    """A manager with data of twelve rows, ``flip`` of them under a wrong label."""
    dm = lnb.DataManager(tmp_path / "store")
    folder = tmp_path / "pictures"
    for number in range(12):
        shown = (number + (number < flip)) % 3
        place = folder / CLASSES[number % 3]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number:02}.png").write_bytes(png(pattern(shown, number)))
    dm.convert(folder, "pictures", kind="images")
    return dm


class NamedOracle(ColourOracle):
    class_names = sorted(CLASSES)
    order = [CLASSES.index(name) for name in sorted(CLASSES)]

    def forward(self, images):
        return super().forward(images)[:, self.order]


def test_save_keeps_all_parts_with_the_data_they_are_about(tmp_path):
    dm = stored(tmp_path, flip=2)
    found = evaluate(NamedOracle(), "pictures", manager=dm)
    assert (found.rows, found.wrong) == (12, 2)
    report = found.save(dm, "exam")
    assert (report.name, report.version) == ("exam", 1)
    metrics = dm["exam-metrics"].search_rows().to_pylist()[0]
    assert metrics["accuracy"] == found.accuracy
    assert (metrics["data"], metrics["data_version"], metrics["rows"]) == ("pictures", 1, 12)
    assert dm["exam"].search_rows().select(found.per_class.column_names).equals(found.per_class)
    counts = np.zeros((3, 3), int)
    for item in dm["exam-confusion"].search_rows().to_pylist():
        counts[item["label"], item["predicted_label"]] = item["rows"]
    assert np.array_equal(counts, found.confusion)
    assert dm["exam-mistakes"].search_rows(columns=["row"])["row"].to_pylist() == (
        found.mistakes["row"].to_pylist()
    )
    for name in ("exam", "exam-metrics", "exam-confusion", "exam-mistakes"):
        (parent,) = dm[name].parents
        assert (parent["name"], parent["version"], parent["relation"]) == (
            "pictures", 1, "evaluated-on",
        )  # fmt: skip
    found.save(dm, "exam")
    assert dm["exam-metrics"].version == 2
    assert dm["exam-metrics"].rows == 1


def test_save_names_the_version_of_a_stored_model_behind_a_tag(tmp_path):
    dm = stored(tmp_path)
    done = lnb.fit("resnet18", "pictures", manager=dm, steps=1, batch_size=4, epochs=1)
    dm.tag(done.name, "first", done.version)
    found = evaluate(done.name, "pictures", manager=dm, version="first")
    assert found.model == (done.name, done.version)
    assert evaluate(f"{done.name}@first", "pictures", manager=dm).model == found.model
    found.save(dm, "exam")
    edges = {(p["name"], p["version"], p["relation"]) for p in dm["exam"].parents}
    assert edges == {(done.name, done.version, "evaluated"), ("pictures", 1, "evaluated-on")}
    assert f"{done.name} version {done.version}" in found._repr_html_()


def test_save_of_data_outside_the_catalogue_names_its_address(tmp_path):
    dm = stored(tmp_path)
    uri = patterns(tmp_path / "pictures", 6)  # same name as an artefact, but not the artefact
    evaluate(ColourOracle(), uri).save(dm, "exam")
    (parent,) = dm["exam"].parents
    assert parent["uri"].endswith(uri.lstrip("/"))
    assert "name" not in parent


def test_save_touches_nothing_when_one_of_the_names_is_taken(tmp_path):
    dm = stored(tmp_path)
    dm.save_weights("exam", {"w": torch.zeros(1)})
    with pytest.raises(SchemaMismatch, match="exam"):
        evaluate(NamedOracle(), "pictures", manager=dm).save(dm, "exam")
    assert dm.list().names == ["exam", "pictures"]


def test_to_pandas_gives_every_part_and_refuses_others():
    found = score(torch.eye(3), torch.tensor([0, 1, 1]), ["a", "b", "c"])
    assert found.to_pandas()["class"].tolist() == ["a", "b", "c"]
    assert found.to_pandas("confusion").loc["b", "c"] == 1
    assert found.to_pandas("mistakes")["row"].tolist() == [2]
    assert found.to_pandas("metrics")["accuracy"].tolist() == [pytest.approx(2 / 3)]
    with pytest.raises(InvalidArgument, match="roc"):
        found.to_pandas("roc")


def test_html_of_many_classes_lists_the_largest_confusions_only():
    torch.manual_seed(0)
    labels = torch.arange(1000)
    claimed = labels.clone()
    claimed[7] = 8
    found = score(torch.nn.functional.one_hot(claimed, 1000).float(), labels)
    html = found._repr_html_()
    assert len(html) < 60_000
    assert "most frequent of 1 mistakes" in html


def test_html_escapes_names_and_takes_the_colours_of_the_theme():
    found = score(torch.eye(2), torch.tensor([0, 1]), ["<b>", "b&c"])
    html = found._repr_html_()
    assert "<b>a" in html  # our own "accuracy" in bold
    assert html.count("<b>") == 1
    assert "&lt;b&gt;" in html
    assert "b&amp;c" in html
    assert "var(--jp-ui-font-color1" in html


@pytest.mark.parametrize("dark", [False, True])
def test_figure_of_the_confusion_belongs_to_nobody(dark):
    from matplotlib._pylab_helpers import Gcf

    found = score(torch.eye(3), torch.tensor([0, 1, 1]), ["a", "b", "c"])
    figure = found.figure(dark=dark)
    assert not Gcf.get_all_fig_managers(), "pyplot knows nothing of it"
    axes = figure.axes[0]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["a", "b", "c"]
    assert sorted(t.get_text() for t in axes.texts) == ["0"] * 6 + ["1"] * 3
    assert sum(figure.get_facecolor()[:3]) == pytest.approx(0.2 if dark else 3.0, abs=0.01)


def test_evaluation_travels_through_pickle(tmp_path):
    data = LanceTorchDataset(patterns(tmp_path / "p.lance", 6))
    again = pickle.loads(pickle.dumps(evaluate(ColourOracle(), data)))
    assert again.rows == 6
    assert again.gallery().wrong == 0


def test_each_of_several_processes_scores_all_rows_once(tmp_path, monkeypatch):
    """A validation by hand in a distributed training: no share of the rows, no sum over ranks."""
    data = LanceTorchDataset(patterns(tmp_path / "p.lance", 9))
    for name, value in (("is_initialized", True), ("get_rank", 1), ("get_world_size", 2)):
        monkeypatch.setattr(torch.distributed, name, lambda *_, value=value: value)
    found = evaluate(ColourOracle(), data, batch_size=4)
    assert (found.rows, int(found.confusion.sum())) == (9, 9)


@pytest.mark.parametrize(("classes", "told"), [(3, False), (5, False), (6, True)])
def test_top5_is_told_only_where_it_can_be_wrong(classes, told):
    found = score(torch.eye(classes), torch.arange(classes))
    assert ("top-5" in repr(found)) is told
    assert ("top-5" in found._repr_html_()) is told
    assert found.top5 == found.to_dict()["top5"] == 1.0
