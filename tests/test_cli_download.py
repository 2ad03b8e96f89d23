"""``lancenb download`` and ``lancenb cache``: every flag, every exit code."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import lancenb
from lancenb._cli_cache import _bytes, _seconds
from lancenb._cli_words import in_shell_words
from lancenb.cli import main
from lancenb.download import Cache, registry
from lancenb.errors import InvalidArgument

pytestmark = pytest.mark.usefixtures("cache")


def objects(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_one_source(run, pets):
    status, out, err = run("download", "pets")
    assert (status, err) == (0, "")
    path = Cache().entries("url")[0].path / "pets.bin"
    assert out == f"dataset, 1 file, 4.0 kB, fetched: {path}\n"
    assert run("download", "pets")[1] == f"dataset, 1 file, 4.0 kB, from the cache: {path}\n"


def test_several_sources_and_the_failure_of_one(run, pets, files):
    files.add("/x.bin", b"hello")
    words = ("download", "no-such-set", f"{files.url}/x.bin", "--datasets", "pets, imagenet,")
    status, out, err = run(*words)
    assert status == 1
    assert [line.split(":")[0] for line in out.splitlines()] == ["ok      http", "ok      pets"]
    assert "failed  no-such-set: there is nothing at 'no-such-set'" in err
    assert "failed  imagenet: imagenet cannot be downloaded automatically" in err
    assert "hint: its terms are accepted in person" in err
    assert "lancenb download imagenet --verify --to FOLDER" in err
    assert err.splitlines()[-1] == "2 of 4 failed: no-such-set, imagenet"
    assert "Traceback" not in err


def test_json_for_scripts(run, pets):
    status, out, err = run("download", "pets", "imagenet", "--json")
    assert (status, err) == (1, "")
    good, bad = objects(out)
    assert (good["spec"], good["ok"], good["bytes"]) == ("pets", True, 4000)
    assert good["files"][0]["sha256"] == pets.files[0].sha256
    assert good["lineage"]["dataset"] == "pets"
    assert (bad["ok"], bad["error"]["code"]) == (False, "source_not_found")
    status, out, err = run("download", "imagenet", "--json")
    assert (status, err, objects(out)[0]["ok"]) == (1, "", False)


def test_to_puts_several_into_folders_of_their_own(run, pets, files, tmp_path):
    files.add("/x.bin", b"hello")
    here = tmp_path / "here"
    assert run("download", "pets", f"{files.url}/x.bin", "--to", str(here))[0] == 0
    found = {p.relative_to(here).as_posix() for p in here.rglob("*.bin")}
    assert "pets/pets.bin" in found
    assert any(re.fullmatch(r"http-127\.0\.0\.1-\d+-x\.bin/x\.bin", name) for name in found)
    assert run("download", "pets", "--to", str(tmp_path / "one"))[0] == 0
    assert (tmp_path / "one" / "pets.bin").is_file()


def test_list_and_info(run, pets):
    status, out, _ = run("download", "--list")
    assert status == 0
    for name in ("cifar10", "imagenet", "coco", "synthetic", "pets"):
        assert re.search(rf"^{name} ", out, re.MULTILINE)
    assert "by hand" in out
    assert [facts["name"] for facts in objects(run("download", "--list", "--json")[1])] == (
        registry.list()
    )
    out = run("download", "--info", "pets")[1]
    for word in ("CC0", "cat, dog", "train 1", "pets.bin 4.0 kB http://127.0.0.1"):
        assert word in out
    facts = objects(run("download", "--info", "cifar10", "--json")[1])[0]
    assert (len(facts["classes"]), facts["files"][0]["md5"]) == (
        10, "c58f30108f718f92721af3b95e74349a",
    )  # fmt: skip
    status, _, err = run("download", "--info", "cifar11")
    assert status == 2
    assert "known: cifar10" in err


def test_plan_fetches_nothing(run, pets, files):
    asked = len(files.log)
    status, out, _ = run("download", "pets", "--plan")
    assert status == 0
    assert "pets.bin" in out
    assert "4.0 kB" in out
    facts = objects(run("download", "pets", "imagenet", "--plan", "--json")[1])
    assert [f["missing_bytes"] for f in facts] == [4000, 154_642_401_280]
    assert len(files.log) == asked


def test_check_space(run, pets, monkeypatch):
    status, out, err = run("download", "pets", "--check-space")
    assert (status, err) == (0, "")
    assert "pets: needs 4.0 kB" in out
    assert "it fits" in out
    large = dataclasses.replace(pets.files[0], size=1 << 60)
    registry.add(dataclasses.replace(pets, files=(large,)), replace=True)
    status, out, err = run("download", "pets", "imagenet", "--check-space")
    assert status == 1
    assert "too little" in out
    assert "imagenet: needs 154.6 GB" in out
    assert re.search(r"hint: free [\d,.]+ TB, or choose another disk", err)
    facts = objects(run("download", "pets", "nonsense", "--check-space", "--json")[1])
    assert [(f["spec"], f["ok"]) for f in facts] == [("nonsense", False), ("pets", False)]
    assert facts[1]["needed_bytes"] == 1 << 60
    assert run("download", "nonsense", "--check-space")[0] == 2


def test_check_space_without_a_network_goes_by_what_is_known(run, monkeypatch):
    from lancenb.errors import Offline

    def none(*_a, **_k):
        raise Offline("no network")

    monkeypatch.setattr("lancenb.download.plan", none)
    status, out, _ = run("download", "cifar10", "--check-space", "--to", "/tmp/somewhere")
    assert status == 0
    assert "cifar10: needs 144.0 MB, or more" in out


def test_verify_hashes_the_cached_copy_again(run, pets, files):
    assert run("download", "pets", "--verify")[0] == 1
    run("download", "pets")
    asked = len(files.log)
    status, out, _ = run("download", "pets", "--verify")
    assert (status, out.split(":")[0]) == (0, "1 of 1 files right, 4.0 kB")
    path = Cache().entries("url")[0].path / "pets.bin"
    info = path.stat()
    path.write_bytes(b"x" * 4000)
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))  # damage that leaves no trace
    status, out, err = run("download", "pets", "--verify")
    assert status == 1
    assert "damaged: pets.bin; lancenb download pets --force fetches it again" in err
    assert objects(run("download", "pets", "--verify", "--json")[1])[0]["damaged"] == ["pets.bin"]
    assert len(files.log) == asked, "verifying fetches nothing"
    assert run("download", "pets", "--force")[0] == 0
    assert run("download", "pets", "--verify")[0] == 0


def test_verify_a_folder(run, pets, tmp_path):
    run("download", "pets", "--to", str(tmp_path / "here"))
    status, out, _ = run("download", "pets", "--verify", "--to", str(tmp_path / "here"))
    assert (status, "complete" in out) == (0, True)
    (tmp_path / "here" / "pets.bin").write_bytes(b"short")
    status, _, err = run("download", "pets:official", "--verify", "--to", str(tmp_path / "here"))
    assert status == 1
    assert "has 5 bytes, 4,000 are expected" in err
    assert "lancenb download pets:official fetches" in err
    for split in ("train", "val"):
        (tmp_path / "net" / split / "n01440764").mkdir(parents=True)
        (tmp_path / "net" / split / "n01440764" / "1.JPEG").write_bytes(b"x")
    status, _, err = run("download", "imagenet", "--verify", "--to", str(tmp_path / "net"))
    assert status == 1
    assert "train has 1 class folders, 1,000 are expected" in err
    status, _, err = run("download", "imagenet", "--verify")
    assert status == 2
    assert "--verify --to FOLDER" in err
    status, _, err = run("download", str(tmp_path / "net"), "--verify")
    assert status == 2
    assert f"lancenb download NAME --verify --to {tmp_path / 'net'}" in err


def test_options_reach_the_download(run, monkeypatch):
    seen = {}

    def download(spec, **options):
        seen.update(options, spec=spec)
        raise InvalidArgument("enough seen", hint="use offline=True, token= or hub_engine='range'")

    monkeypatch.setattr("lancenb.download.download", download)
    status, _, err = run(
        "download", "hf:model:a/b", "--revision", "v1", "--allow", "*.bin", "--allow", "*.json",
        "--ignore", "x*", "--engine", "range", "--offline", "--force", "--split", "test",
        "--limit", "3", "--sha256", "ab" * 32,
    )  # fmt: skip
    assert status == 2
    assert "use --offline, HF_TOKEN or --engine range" in err
    wanted = {
        "spec": "hf:model:a/b", "revision": "v1", "allow": ["*.bin", "*.json"], "ignore": ["x*"],
        "hub_engine": "range", "offline": True, "force": True, "split": "test", "limit": 3,
        "sha256": "ab" * 32, "progress": False,
    }  # fmt: skip
    assert {name: seen[name] for name in wanted} == wanted
    assert run("download", "x", "--engine", "fast")[0] == 2
    assert run("download", "x", "--token", "hf_secret")[0] == 2


def test_wrong_words(run):
    status, _, err = run("download")
    assert status == 2
    assert "lancenb download --list" in err
    status, _, err = run("download", "cifar10", "--plan", "--verify")
    assert status == 2
    assert "--plan and --verify do not go together" in err


def test_help_says_where_tokens_go(run):
    out = run("download", "--help")[1]
    assert "set HF_TOKEN" in out
    assert "--token" not in out


def test_a_progress_bar_counts_bytes(run, files, monkeypatch):
    import io

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    files.add("/x.bin", os.urandom(3_000_000))
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    assert main(["download", f"{files.url}/x.bin"]) == 0
    assert re.search(r"\d.*[kM]?B", screen.getvalue())
    quiet = Terminal()
    monkeypatch.setattr("sys.stderr", quiet)
    assert main(["download", f"{files.url}/x.bin", "--force", "--json"]) == 0
    assert quiet.getvalue() == ""


def test_ctrl_c_keeps_what_has_arrived_and_says_so(files, cache):
    size = 8 << 20
    data = os.urandom(size)
    files.add("/large.bin", data)
    # Each answer stands still in its middle: it cannot be over before Ctrl-C comes.
    files.faults.add("stall", path="/large.bin", seconds=3600, times=0)
    address = f"{files.url}/large.bin"
    package = str(Path(lancenb.__file__).parent.parent)
    environment = {**os.environ, "PYTHONPATH": package}
    command = [sys.executable, "-m", "lancenb", "download", address]
    child = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    try:
        deadline = time.monotonic() + 120
        while not any(p.stat().st_size > 1 << 20 for p in cache.rglob("*.part")):
            assert time.monotonic() < deadline, child.poll()
            time.sleep(0.05)
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=60)  # far less than what the server has in mind
    finally:
        child.kill()
        child.wait()
    assert (child.returncode, out) == (130, "")
    assert "interrupted; what has arrived is kept: the same command goes on from there" in err
    assert "Traceback" not in err
    files.faults.clear()
    before = len(files.log)
    again = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert again.returncode == 0, again.stderr
    assert sum(seen.bytes_sent for seen in files.log[before:]) < size
    assert Path(again.stdout.rpartition(": ")[2].strip()).read_bytes() == data


def test_ctrl_c_in_the_middle_of_a_look_at_the_token():
    code = (
        "import signal, sys\n"
        "from lancenb._cli_download import _stoppable\n"
        "with _stoppable() as token:\n"
        "    with token._event._cond:  # as the wait for the token does for a moment\n"
        "        signal.raise_signal(signal.SIGINT)\n"
        "    assert token.wait(60)\n"
        "    try:\n"
        "        signal.raise_signal(signal.SIGINT)\n"
        "    except KeyboardInterrupt:\n"
        "        sys.exit(7)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (7, "\nstopping (Ctrl-C again stops at once)\n")


def test_cache_list_verify_clear(run, pets, files, cache):
    files.add("/small.bin", b"hello")
    run("download", "pets", f"{files.url}/small.bin")
    run("download", "synthetic", "--split", "test", "--limit", "20")
    out = run("cache")[1]
    assert str(cache) in out or "cache" in out
    assert "synthetic" in out
    out = run("cache", "ls", "--kind", "url")[1]
    assert "2 entries, " in out
    assert "pets.bin" in out
    assert "synthetic" not in out
    assert "1 entry" in run("cache", "ls", "--name", "small.bin")[1]
    facts = objects(run("cache", "ls", "--json", "--larger-than", "3kB")[1])
    assert {f["kind"] for f in facts} == {"url", "synthetic"}
    assert "0 entries" in run("cache", "ls", "--older-than", "1h")[1]
    status, out, _ = run("cache", "verify")
    assert status == 0
    assert "all right" in out
    path = next(cache.rglob("pets.bin"))
    info = path.stat()
    path.write_bytes(b"x" * 4000)
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))
    status, out, _ = run("cache", "verify", "--kind", "url")
    assert status == 1
    assert "pets.bin" in out
    assert "lancenb cache verify --repair" in out
    facts = objects(run("cache", "verify", "--json")[1])[0]
    assert (facts["ok"], facts["damaged"][0]["file"]) == (False, "pets.bin")
    assert run("cache", "verify", "--repair")[0] == 0
    assert run("cache", "verify")[0] == 0
    assert "would free" in run("cache", "clear", "--dry-run")[1]
    assert "small.bin" in run("cache", "ls", "--name", "small.bin")[1]
    assert objects(run("cache", "clear", "--name", "small.bin", "--json")[1])[0]["freed_bytes"] > 4
    assert "0 entries" in run("cache", "ls", "--name", "small.bin")[1]
    assert "freed" in run("cache", "clear")[1]
    assert Cache().entries() == []


def test_cache_words_that_mean_nothing(run):
    for words, message in (
        (("ls", "--repair"), "--repair means nothing for ls"),
        (("clear", "--repair"), "--repair means nothing for clear"),
        (("verify", "--dry-run"), "--dry-run means nothing for verify"),
        (("verify", "--older-than", "3d"), "--older-than means nothing for verify"),
        (("ls", "--older-than", "soon"), "'soon' is no age"),
        (("ls", "--larger-than", "big"), "'big' is no size"),
        (("ls", "--kind", "nothing"), "no cache kind 'nothing'"),
    ):
        status, _, err = run("cache", *words)
        assert status == 2, words
        assert message in err
    assert run("cache", "shrink")[0] == 2


def test_ages_and_sizes():
    assert [_seconds(t) for t in ("90s", "30m", "12h", "30d", "2w", "1.5d")] == [
        90, 1800, 43_200, 2_592_000, 1_209_600, 129_600,
    ]  # fmt: skip
    assert [_bytes(t) for t in ("500", "1kB", "1.5MB", "2 GB", "1TB", "1KiB", "2GiB")] == [
        500, 1000, 1_500_000, 2_000_000_000, 10**12, 1024, 2 << 30,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("python", "shell"),
    [
        ("leave split= out here and choose: split='test'",
         "leave --split out here and choose: --split test"),
        ("choose another folder with to= or cache=, or set LANCENB_CACHE",
         "choose another folder with --to or --cache, or set LANCENB_CACHE"),
        ("run it once with a network (offline=False, HF_HUB_OFFLINE unset)",
         "run it once with a network (without --offline, HF_HUB_OFFLINE unset)"),
        ("pass token= instead", "set HF_TOKEN instead"),
        ("limit=1000", "--limit 1000"),
        ("limit=-3 takes no rows\n  hint: 1 or more, None for all",
         "--limit -3 takes no rows\n  hint: 1 or more; leave it out for all"),
        ("these take: allow, force, token, variant", "these take: --allow, --force, --variant"),
        ("log in: pass token=, set HF_TOKEN, or run: hf auth login",
         "log in: set HF_TOKEN, or run: hf auth login"),
    ],
)  # fmt: skip
def test_hints_of_downloads_in_the_words_of_the_shell(python, shell):
    assert in_shell_words(python, "download") == shell
    assert in_shell_words(python) == python, "other commands have other words"
