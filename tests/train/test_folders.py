"""Folders as training data: a folder that changed, another one of the same name, its splits."""

from __future__ import annotations

import os
import shutil
import warnings
from pathlib import Path

import pytest

import lancenb as lnb
from lancenb.cli import main
from lancenb.data import LanceDataModule, LanceTorchDataset, mix
from lancenb.errors import EmptyInput, InvalidArgument
from lancenb.train import ImageClassifier, compose, evaluate, fit, run, run_evaluation
from lancenb.train.folders import folder_data
from tests.data.tables import pattern, png

QUICK = ["model=simple_cnn", "data=folder", "trainer=quick", "callbacks=none", "batch_size=8"]
COUNTS = {"train": 16, "val": 6, "test": 8}


def pets(folder: Path, count: int = 8, names: tuple[str, ...] = ("cat", "dog"), start: int = 0):
    for label, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for i in range(count // len(names)):
            (folder / name / f"{i}.png").write_bytes(png(pattern(label, start + i)))
    return folder


@pytest.fixture
def dm(tmp_path):
    return lnb.DataManager(tmp_path / "store")


@pytest.fixture
def parted(dm, tmp_path):
    """A folder with train, val and test; number of pictures of each is of its own."""
    for start, (part, count) in enumerate(COUNTS.items()):
        pets(tmp_path / "pics" / part, count, start=100 * start)
    dm.convert(tmp_path / "pics", "pics", kind="images")
    return tmp_path / "pics"


def use(folder, dm, **options):
    """Versions and rows of the artefact after the folder was used, without any warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = folder_data(str(folder), dm, **options)
    name = data.sources["train"]
    return dm[name].version, dm[name].rows


def test_an_unchanged_folder_is_converted_once(dm, tmp_path, monkeypatch):
    folder = pets(tmp_path / "pets")
    (folder / "cat" / "broken.png").write_bytes(b"\x89PNG, and no more")
    assert use(folder, dm) == (1, 8)
    assert use(folder, dm) == (1, 8), "an unreadable file is left out each time"
    for file in folder.rglob("*.png"):
        os.utime(file)
    monkeypatch.chdir(tmp_path)
    assert use("pets", dm) == (1, 8), "touched, and named by another path"
    shutil.copytree(folder, tmp_path / "elsewhere" / "pets")
    assert use(tmp_path / "elsewhere" / "pets", dm) == (1, 8), "the same pictures"


def test_files_older_than_their_table_are_not_read_again(dm, tmp_path, monkeypatch):
    from lancenb.train import _folder_table

    folder = pets(tmp_path / "pets")
    use(folder, dm)
    # as if it had been converted an hour later
    monkeypatch.setattr(_folder_table, "_MARGIN", -3600.0)
    monkeypatch.setattr(_folder_table.Path, "read_bytes", lambda _: pytest.fail("was read"))
    assert use(folder, dm) == (1, 8)


@pytest.mark.parametrize("change", ["more", "fewer", "other", "renamed"])
def test_a_folder_that_changed_is_the_next_version_and_it_is_said(dm, tmp_path, change):
    folder = pets(tmp_path / "pets")
    use(folder, dm)
    first = folder / "cat" / "0.png"
    if change == "more":
        (folder / "cat" / "new.png").write_bytes(png(pattern(0, 99)))
    elif change == "fewer":
        first.unlink()
    elif change == "other":
        first.write_bytes(png(pattern(1, 99)))
    else:
        (folder / "cat").rename(folder / "lynx")
    with pytest.warns(UserWarning, match=r"has changed since .* pets version 2 holds it"):
        folder_data(str(folder), dm)
    rows = {"more": 9, "fewer": 7}.get(change, 8)
    assert use(folder, dm) == (2, rows)
    names = dm.dataset("pets").to_table(columns=["path"])["path"].to_pylist()
    below = (file.relative_to(folder).as_posix() for file in folder.rglob("*.png"))
    assert sorted(names) == sorted(below)


def test_another_folder_of_the_same_name_is_refused(dm, tmp_path):
    folder, other = pets(tmp_path / "pets"), pets(tmp_path / "b" / "pets", start=50)
    run(compose([*QUICK, f"data.path={folder}", "name=m"]), manager=dm)
    words = [*QUICK, f"data.path={other}", "name=n"]
    with pytest.raises(InvalidArgument, match="holds the pictures of") as caught:
        run(compose(words), manager=dm)
    assert str(folder) in caught.value.message
    assert str(other) in caught.value.message
    assert "data.name=pets-2" in caught.value.hint
    scored = ["checkpoint=m", "data=folder", f"data.path={other}"]
    with pytest.raises(InvalidArgument, match="holds the pictures of"):
        run_evaluation(compose(scored, of="eval"), manager=dm)
    assert dm["pets"].version == 1
    run(compose([*words, "data.name=pets-2"]), manager=dm)
    assert dm["pets-2"].rows == 8


def test_a_table_with_rows_of_more_than_the_folder_is_refused(dm, tmp_path):
    folder, other = pets(tmp_path / "pets"), pets(tmp_path / "more", start=50)
    use(folder, dm)
    dm.convert(other, "pets", kind="images", mode="append")
    with pytest.raises(InvalidArgument, match="more"):
        folder_data(str(folder), dm)
    uri = lnb.convert(other, tmp_path / "third.lance", kind="images").uri
    dm.register("third", uri)
    assert use(other, dm, name="third") == (1, 8), "the same pictures"
    with pytest.raises(InvalidArgument, match=r"'third' holds the pictures of .*more"):
        folder_data(str(folder), dm, name="third")


def test_a_training_takes_the_training_rows_of_a_folder(dm, parted, tmp_path, capsys):
    settings = [f"data.path={parted}", "name=m"]
    record = run(compose([*QUICK, *settings]), manager=dm).run
    assert record["data"] == {"name": "pics", "version": 1, "rows": 16, "split": "train"}
    assert (record["validation"]["rows"], record["validation"]["split"]) == (6, "val")
    assert main(["train", *QUICK, *settings, "--root", str(tmp_path / "store")]) in (0, None)
    told = capsys.readouterr().out
    assert "trained on the 16 train rows of pics, validated on its 6 val rows" in told


@pytest.mark.parametrize("part", list(COUNTS))
def test_an_evaluation_scores_the_rows_of_the_split(dm, parted, part):
    fit("simple_cnn", "pics", manager=dm, name="m", accelerator="cpu")
    words = ["checkpoint=m", f"split={part}"]
    found = run_evaluation(
        compose([*words, "data=folder", f"data.path={parted}", "name=exam"], of="eval"), manager=dm
    )
    assert (found.rows, found.split) == (COUNTS[part], part)
    assert f"{COUNTS[part]} {part} rows" in repr(found)
    assert part in dm["exam"].description
    for given in (part, "train"):
        table = compose([*words, "data=lance", f"data.{given}=pics"], of="eval")
        if part == given == "test" or given == "train":
            assert run_evaluation(table, manager=dm).rows == COUNTS[part]


def test_a_folder_without_test_rows_has_no_exam(dm, parted):
    fit("simple_cnn", "pics", manager=dm, name="m", accelerator="cpu")
    shutil.rmtree(parted / "test")
    words = ["checkpoint=m", "data=folder", f"data.path={parted}"]
    with (
        pytest.warns(UserWarning, match="has changed"),
        pytest.raises(EmptyInput, match="no test rows"),
    ):
        run_evaluation(compose(words, of="eval"), manager=dm)


def test_fit_takes_the_training_rows_of_a_table(dm, parted):
    options = {"manager": dm, "name": "m", "accelerator": "cpu", "batch_size": 8}
    by_name = fit("simple_cnn", "pics", **options)
    assert by_name.run["data"]["split"] == "train"
    assert by_name.run["data"]["rows"] == 16
    assert by_name.run["validation"]["rows"] == 6
    assert "its train rows" in by_name._repr_html_()
    part = fit("simple_cnn", "pics", val=0.25, **options).run
    assert part["data"]["rows"] + part["validation"]["rows"] == 16
    assert part["validation"]["fraction"] == 0.25
    assert "split" not in part["validation"]
    module = fit("simple_cnn", LanceDataModule("pics", manager=dm), **options).run
    assert {**module["data"], **module["validation"]} == {
        **by_name.run["data"], **by_name.run["validation"],
    }  # fmt: skip
    every = LanceTorchDataset(dm["pics"], filter="split IS NOT NULL")
    chosen = fit("simple_cnn", every, **options).run
    assert chosen["data"] == {"name": "pics", "version": 1, "rows": 30}
    assert chosen["validation"] is None


def test_fit_tells_of_a_mixture_that_trains_on_other_rows(dm, parted):
    mixture = mix([(LanceTorchDataset(dm["pics"]), 1)])
    with pytest.warns(UserWarning, match="the mixture trains on the") as told:
        fit(ImageClassifier("simple_cnn", 2, image_size=16), mixture, accelerator="cpu")
    assert [str(each.message) for each in told if each.filename == __file__]


def test_evaluate_scores_a_part_or_says_that_all_are_scored(dm, parted):
    fit("simple_cnn", "pics", manager=dm, name="m", accelerator="cpu")
    for part, count in COUNTS.items():
        found = evaluate("m", "pics", split=part, manager=dm)
        assert (found.rows, found.to_dict()["split"]) == (count, part)
    with pytest.warns(UserWarning, match="all rows of 'pics' are scored"):
        assert evaluate("m", "pics", manager=dm).rows == 30
    with pytest.raises(InvalidArgument, match="split is train, val, test"):
        evaluate("m", "pics", split="exam", manager=dm)
    dm.convert(parted / "test", "exam", kind="images")
    with pytest.raises(InvalidArgument, match="no column split"):
        evaluate("m", "exam", split="test", manager=dm)
    only = LanceTorchDataset(dm["pics"], filter="split != 'test'")
    with pytest.raises(InvalidArgument, match="no column split"):
        evaluate("m", only, split="test", manager=dm)
