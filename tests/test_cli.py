"""Every command once, in this process where that proves as much, and how it fails."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys

import pytest

import lancenb
from lancenb.cli import _parser, main
from tests.data.tables import image_table, pattern, png


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for label, name in enumerate(("circle", "stripe")):
        (folder / name).mkdir()
        for i in range(4):
            (folder / name / f"{i}.png").write_bytes(png(pattern(label, i)))
    (folder / "stripe" / "bad.png").write_bytes(b"junk")
    return folder


@pytest.fixture
def root(tmp_path):
    import torch

    dm = lancenb.DataManager(tmp_path / "store")
    labels = [i % 3 for i in range(9)]
    cells = [png(pattern(label, i)) for i, label in enumerate(labels)]
    dm.convert(image_table(cells, labels), "pictures", kind="images", description="nine pictures")
    dm.save_weights("model", {"w": torch.zeros(4), "b": torch.ones(2)}, parents=["pictures"])
    dm.save_weights("model", {"w": torch.ones(4), "b": torch.ones(2)}, message="second")
    return str(tmp_path / "store")


def test_version_and_help(run):
    assert run("--version") == (0, f"lancenb {lancenb.__version__}\n", "")
    assert "demo" in run()[1]
    commands = re.findall(r"^    (\w+)  ", run("--help")[1], re.MULTILINE)
    assert len(commands) >= 15
    for command in commands:
        status, out, _ = run(command, "--help")
        assert status == 0
        assert f"lancenb {command}" in out
        assert "example" in out


def test_every_word_of_every_command_has_help():
    found = [action.choices for action in _parser()._actions if action.dest == "==SUPPRESS=="]
    commands = next(iter(found))
    assert isinstance(commands, dict)
    for name, command in commands.items():
        assert [a.dest for a in command._actions if not a.help] == [], name


def test_demo_help_shows_the_sixteen_parameters(run):
    out = run("demo", "--help")[1]
    for flag in (
        "--cache", "--model", "--model_mode", "--dataset", "--dataset_mode", "--split", "--limit",
        "--batch", "--epochs", "--steps", "--s3-endpoint", "--aws-access-key", "--aws-secret-key",
        "--aws-region", "--bucket", "--prefix",
    ):  # fmt: skip
        assert re.search(rf"^  {flag}[ ,]", out, re.MULTILINE), flag
    assert "http://localhost:9000" in out
    assert not re.search(r"secret-key SECRET.*default:", out)


def test_convert_ls_show(run, photos, tmp_path):
    root = str(tmp_path / "new")
    status, out, err = run(
        "convert", str(photos), "shapes", "--root", root, "--tag", "mine", "--description", "two"
    )
    assert (status, err) == (0, "")
    assert "shapes v1: 8 images" in out
    assert "bad.png" in out
    status, out, err = run("convert", str(photos), "shapes", "--root", root)
    assert status == 2
    assert "shapes" in err
    assert "use --mode overwrite" in err
    assert "Traceback" not in err
    status, out, _ = run(
        "convert",
        str(photos / "circle"),
        "strict",
        "--root",
        root,
        "-o",
        "on_error=raise",
        "-o",
        "label=null",
    )
    assert status == 0
    status, _, err = run("convert", str(photos), "s2", "--root", root, "-o", "on_error=raise")
    assert status == 1
    assert "bad.png" in err
    table = tmp_path / "plain" / "t.lance"
    assert run("convert", str(photos), str(table))[0] == 0
    assert lancenb.LanceTorchDataset(table).num_classes == 2
    out = run("ls", "--root", root)[1]
    assert "shapes" in out
    assert "two" in out
    assert "shapes" not in run("ls", "--root", root, "--kind", "weights")[1]
    assert "shapes" in run("show", "shapes", "--root", root)[1]


def test_versions_diff_rollback_tag(run, root):
    out = run("versions", "model", "--root", root)[1]
    assert "2 (head)" in out
    assert "second" in out
    assert "w" in run("diff", "model", "1", "2", "--root", root)[1]
    assert run("tag", "model", "prod", "--version", "2", "--root", root)[1] == "prod  version 2\n"
    assert run("diff", "model", "prod", "1", "--root", root)[0] == 0
    out = run("rollback", "model", "1", "--root", root)[1]
    assert "version 3 is now what version 1 was" in out
    assert "undo: lancenb rollback model 2" in out
    assert run("tag", "model", "--root", root)[1] == "prod  version 2\n"
    assert run("tag", "model", "prod", "--delete", "--root", root)[1] == ""


def test_search_rows_lineage_preview(run, root):
    assert "pictures" in run("search", "nine", "--root", root)[1]
    assert "pictures" in run("search", "--where", "kind = 'images'", "--root", root)[1]
    out = run(
        "rows", "pictures", "--where", "label = 2", "--columns", "label,width", "--root", root
    )
    assert out[1].splitlines()[0] == "label=2  width=16"
    assert len(out[1].splitlines()) == 3
    assert "bytes>" in run("rows", "pictures", "--limit", "1", "--root", root)[1]
    assert "pictures" in run("lineage", "model", "--root", root)[1]
    assert run("preview", "pictures", "--root", root)[1].strip()


def test_delete_asks_and_fsck(run, root, monkeypatch):
    assert "model" in run("delete", "model", "--dry-run", "--root", root)[1]
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    status, _, err = run("delete", "model", "--root", root)
    assert status == 2
    assert "hint: lancenb delete model --confirm model does it; --dry-run" in err
    assert run("delete", "model", "--confirm", "model", "--root", root)[0] == 0
    assert "model" not in run("ls", "--root", root)[1]
    assert run("fsck", "--root", root)[0] == 0


def test_download(run, tmp_path):
    status, out, err = run(
        "download", "synthetic", "--split", "test", "--limit", "10", "--cache", str(tmp_path)
    )
    assert (status, err) == (0, "")
    assert "dataset" in out


def test_errors_are_one_sentence_with_a_hint(run, root, tmp_path):
    for words, status in (
        (("show", "pictuers", "--root", root), 2),
        (("ls", "--root", str(tmp_path / "nowhere")), 2),
        (("versions", "a/b", "--root", root), 2),
        (("rollback", "model", "99", "--root", root), 2),
        (("rows", "pictures", "--where", "colour = 3", "--root", root), 2),
        (("convert", str(tmp_path / "missing"), "x", "--root", root), 2),
        (("convert", "a", "b", "-o", "nonsense", "--root", root), 2),
        (("ls", "--s3-endpoint", "http://127.0.0.1:9"), 2),
        (("download", "http://127.0.0.1:9/x.pth", "--offline", "--cache", str(tmp_path)), 1),
    ):
        found, out, err = run(*words)
        assert found == status, (words, err)
        assert err.startswith("error: "), words
        assert "hint: " in err, words
        assert "Traceback" not in err
        assert out == ""
    assert not (tmp_path / "nowhere").exists(), "looking creates nothing"
    with pytest.raises(lancenb.LancenbError):
        main(["show", "pictuers", "--root", root, "--debug"])
    assert run("no-such-command")[0] == 2
    assert run("demo", "--limit", "many")[0] == 2
    assert run("demo", "--limit", "3")[0] == 2


def test_unexpected_errors_stay_short(run, root, monkeypatch):
    monkeypatch.setattr(
        lancenb.DataManager, "list", lambda *a, **k: (_ for _ in ()).throw(KeyError("planted"))
    )
    status, _, err = run("ls", "--root", root)
    assert status == 1
    assert "unexpected KeyError" in err
    assert "--debug" in err


@pytest.mark.s3
def test_commands_on_s3(run, s3_server, photos, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3_server.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3_server.secret_key)
    where = ("--s3-endpoint", s3_server.endpoint, "--bucket", s3_server.bucket(), "--prefix", "p")
    assert run("convert", str(photos), "shapes", *where)[0] == 0
    status, out, _ = run("ls", *where)
    assert status == 0
    assert "shapes" in out


def test_demo_as_a_command_in_a_fresh_process(tmp_path):
    """What the README promises: no account, no server, no network, no parameters needed."""
    command = [sys.executable, "-m", "lancenb", "demo", "--limit", "60", "--steps", "2"]
    package = os.path.dirname(os.path.dirname(lancenb.__file__))
    environment = {**os.environ, "PYTHONPATH": package}
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=300, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert "equal bit for bit" in done.stdout
    assert sorted(os.listdir(tmp_path)) == ["_cache", "lancenb-demo"]
    copied = re.search(r"^  (lancenb diff .*)$", done.stdout, re.MULTILINE)
    assert copied
    again = subprocess.run(
        [sys.executable, "-m", *copied[1].split()],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        env=environment,
    )
    assert again.returncode == 0, again.stderr
    assert "conv1.weight" in again.stdout
