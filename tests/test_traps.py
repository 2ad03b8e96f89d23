"""Traps that concern no single room: what is shipped works, what is not there says so."""

from __future__ import annotations

import configparser
import contextlib
import importlib
import json
import os
import pkgutil
import tomllib
from pathlib import Path

import pytest
import yaml

import lancenb as lnb
from lancenb.errors import LancenbError, UnsupportedFormat

REPO = Path(__file__).parents[1]


def test_w29_audio_is_refused_rather_than_half_converted(tmp_path):
    clip = tmp_path / "clip.wav"
    clip.write_bytes(b"RIFF\x24\0\0\0WAVEfmt ")
    with pytest.raises(UnsupportedFormat, match="audio"):
        lnb.convert(clip, tmp_path / "clip.lance")
    assert not (tmp_path / "clip.lance").exists()


@pytest.mark.parametrize("root", ["http://localhost:8080", "grpc://localhost:1", "ws://localhost"])
def test_w46_a_root_without_an_engine_is_refused_at_once(root):
    with pytest.raises(LancenbError) as caught:
        lnb.DataManager(root)
    assert caught.value.hint


def test_w49_every_module_of_the_package_imports():
    names = [m.name for m in pkgutil.walk_packages(lnb.__path__, "lancenb.")]
    assert len(names) > 100
    for name in names:
        if not name.endswith("__main__"):
            importlib.import_module(name)


def test_w53_every_configuration_file_parses():
    tomllib.loads((REPO / "pyproject.toml").read_text())
    yaml.safe_load((REPO / ".pre-commit-config.yaml").read_text())
    for path in (REPO / "binder").glob("*.y*ml"):
        yaml.safe_load(path.read_text())
    for folder, _, names in os.walk(REPO):
        for path in (Path(folder, name) for name in names if name.endswith(".cfg")):
            with contextlib.suppress(FileNotFoundError):  # another run of tests tidied up
                configparser.ConfigParser().read_string(path.read_text())
    notebooks = sorted((REPO / "notebooks").glob("*.ipynb"))
    assert notebooks
    for path in notebooks:
        assert json.loads(path.read_text())["nbformat"] == 4


def test_w48_rollback_says_truly_which_versions_it_moved(tmp_path):
    dm = lnb.DataManager(tmp_path)
    dm.upsert("t", [{"id": 1}], key="id", create=True)
    dm.upsert("t", [{"id": 2}], key="id")
    moved = dm.rollback("t", 1)
    assert tuple(moved) == (1, 2, 3)
    assert dm["t"].version == moved.new_head
    assert dm.search_rows("t").to_pylist() == [{"id": 1}]
