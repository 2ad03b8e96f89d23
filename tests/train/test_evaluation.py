from __future__ import annotations

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_confusion_matrix,
    multiclass_f1_score,
)

from lancenb.data import LanceTorchDataset
from lancenb.errors import EmptyInput, InvalidArgument
from lancenb.train import ImageClassifier, evaluate, score
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
