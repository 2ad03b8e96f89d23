"""``lancenb download``: checks that change nothing, targets, and the words of its answers."""

from __future__ import annotations

import re

import pytest

import lancenb
from lancenb.testing import HubStub

pytestmark = pytest.mark.usefixtures("cache")


def test_verify_changes_nothing(run, pets, files, cache):
    run("download", "pets")
    path = next(cache.rglob("pets.bin"))
    path.write_bytes(b"cut")
    status, _, err = run("download", "pets", "--verify")
    assert (status, path.read_bytes()) == (1, b"cut")
    assert "pets.bin is damaged" in err
    assert "--force fetches it again" in err
    status, _, err = run("download", "synthetic", "--limit", "7", "--verify")
    assert status == 1
    assert "synthetic: not in the cache" in err
    assert not list(cache.rglob("*.parquet")), "nothing is drawn"
    assert run("download", "synthetic", "--limit", "7")[0] == 0
    assert run("download", "synthetic", "--limit", "7", "--verify")[0] == 0


def test_verify_a_damaged_repository_drops_nothing(run, cache, monkeypatch, tmp_path):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
    spec = "hf:model:acme/tiny"
    with HubStub() as hub:
        for key, value in hub.env(tmp_path / "hf").items():
            monkeypatch.setenv(key, value)
        monkeypatch.setenv("LANCENB_CACHE", str(cache))
        monkeypatch.setattr("lancenb.download._endpoint._answered", {})
        hub.repos.create("model", "acme/tiny").commit({"config.json": b"{}", "a.bin": b"right"})
        assert "acme/tiny: not in the cache" in run("download", spec, "--verify")[2]
        here = tmp_path / "here"
        assert run("download", spec, "--to", str(here), "--allow", "*")[0] == 0
        out = run("download", spec, "--verify", "--to", str(here), "--allow", "*")
        assert (out[0], out[1].split(":")[0]) == (0, "2 of 2 files right")
        (here / "a.bin").write_bytes(b"wrong")
        status, _, err = run("download", spec, "--verify", "--to", str(here), "--allow", "*")
        assert status == 1
        assert "a.bin is damaged" in err
        out = run("download", spec, "--plan", "--to", str(here), "--allow", "*")[1]
        assert re.search(rf"goes to +{here} ", out)
        blob = next(p for p in cache.rglob("a.bin") if "snapshots" in p.parts).resolve()
        blob.write_bytes(b"wrong!")
        status, _, err = run("download", spec, "--verify", "--allow", "*")
        assert (status, blob.read_bytes()) == (1, b"wrong!")
        assert "a.bin" in err
        assert "--force fetches it again" in err


def test_to_that_cannot_be(run, tmp_path):
    (tmp_path / "file").write_text("x")
    for place in ("file", "file/below"):
        status, _, err = run("download", "synthetic", "--to", str(tmp_path / place))
        assert status == 2
        assert f"{tmp_path / 'file'} is a file" in err
    status, _, err = run("download", "synthetic", "--limit", "5", "--to", "/proc/x")
    assert status == 1
    assert "/proc/x cannot be made" in err


def test_local_results_and_splits_in_words(run, tmp_path):
    (tmp_path / "x.csv").write_text("a,b")
    out = run("download", str(tmp_path / "x.csv"))[1]
    assert out.startswith("dataset, 1 file, 3 B, here already: ")
    out = run("download", "synthetic", "--split", "test", "--limit", "5")[1]
    assert out.startswith("dataset, split test, 5 rows, 1 file, ")
    assert "split test, 5 rows" in repr(lancenb.download("synthetic", split="test", limit=5))


def test_cache_keeps_its_own_notes_out_of_the_list(run, cache, pets, tmp_path):
    run("download", "pets", "--to", str(tmp_path / "here"))
    out = run("cache")[1]
    assert "notes and locks" in out
    assert not re.search(r"^placed ", out, re.MULTILINE)
    assert re.search(r"^placed ", run("cache", "--all")[1], re.MULTILINE)
    assert re.search(r"^placed ", run("cache", "--kind", "placed")[1], re.MULTILINE)


def test_what_a_kind_of_source_does_not_take(run):
    err = run("download", "hf:model:a/b", "--split", "train")[2]
    assert "--split means nothing for model sources" in err
    assert "--variant" in err
    assert "token" not in err
    assert (
        "--allow means nothing for dataset sources" in run("download", "mnist", "--allow", "x")[2]
    )


def test_check_space_says_what_keeps_a_gated_repository_away(run, monkeypatch, cache):
    from lancenb.download import DownloadPlan

    monkeypatch.setattr(
        "lancenb.download.plan",
        lambda spec, **_: DownloadPlan(spec, "model", spec, notes=("it is gated: ask", "other")),
    )
    out = run("download", "hf:model:a/b", "--check-space")[1]
    assert "note: it is gated: ask" in out
    assert "other" not in out


def test_the_makers_files_are_named_when_the_hub_has_nothing(run, cache, monkeypatch):
    status, _, err = run("download", "cifar10", "--limit", "5", "--offline")
    assert status == 1
    assert "is not in the cache" in err
    assert "may not be asked" not in err
    assert "cifar10:official" in err


def test_help_and_cards(cache):
    assert "split of a data set" in (lancenb.download.__doc__ or "")
    found = lancenb.download("synthetic", split="test", limit=5)
    card = found._repr_html_()
    assert "split test, 5 rows" in card
    assert str(found.path) in card
