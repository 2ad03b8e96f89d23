"""The download panel without a browser: recognise, plan, download, errors, cancel, secrets."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import ipywidgets
import pytest
import torch
from safetensors.torch import save

import lancenb as lnb
from lancenb.download.errors import GatedRepo
from lancenb.errors import Cancelled, ChecksumMismatch, InvalidArgument, SourceNotFound
from lancenb.testing import FileServer, HubStub
from lancenb.widgets import ConvertPanel, DownloadPanel
from lancenb.widgets._public import public
from lancenb.widgets._recognise import recognise, suggestions, token_words
from lancenb.widgets._spec_box import SpecBox
from tests.download.conftest import hub as hub

SIGNED = "X-Amz-Signature=5ecre7sIgn"


@pytest.fixture
def tiny(hub: HubStub) -> str:
    """Return the spec of a little model on the Hub."""
    torch.manual_seed(0)
    tensors = {"conv.weight": torch.randn(8, 3, 3, 3), "fc.weight": torch.randn(500, 400)}
    card = b"---\nlicense: apache-2.0\n---\n# Tiny\n"
    files = {"config.json": b"{}", "model.safetensors": save(tensors), "README.md": card}
    hub.repos.create("model", "acme/tiny").commit(files)
    return "hf:model:acme/tiny"


def everything(*also: Any) -> str:
    """Return all state of all living widgets, as a notebook would save it, and more texts."""
    found = []
    for widget in list(ipywidgets.widgets.widget._instances.values()):
        found.append(
            str({k: v for k, v in widget.get_state().items() if k not in ("_esm", "_css")})
        )
        found.append(repr(widget))
    return "\n".join([*found, *map(str, also)])


WORDS = {
    "hf:model:acme/tiny": "Model acme/tiny on the Hub, revision main.",
    "hf:model:acme/tiny@v2": "Model acme/tiny on the Hub, revision v2.",
    "hf:dataset:a/b@v1:data/*": "Dataset a/b on the Hub, revision v1, files data/*.",
    "datasets:a/b:small": "Rows of the dataset a/b on the Hub, revision main, configuration small.",
    "transformers:gpt2": "Model gpt2 on the Hub, revision main.",
    "hf://datasets/a/b/t.lance": "Lance table datasets/a/b/t.lance on the Hub.",
    "https://a.org/x/y.csv?sig=1": "File y.csv at a.org.",
    "torchvision:resnet18/IMAGENET1K_V1": "Weights of torchvision's resnet18, IMAGENET1K_V1.",
    "cifar10": "Known dataset cifar10: train 50,000 rows, test 10,000 rows, from the Hub.",
    "cifar10:official": "Known dataset cifar10, the files of its makers.",
    "imagenet": "Known dataset imagenet, fetched by hand: Plan says how.",
    "synthetic": "Images drawn here by seed, no network.",
    "synthetic:text": "Text drawn here by seed, no network.",
}


@pytest.mark.parametrize("spec", WORDS)
def test_every_form_of_spec_is_understood_without_a_network(
    spec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no(*_: Any) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr("socket.socket.connect", no)
    found = recognise(spec)
    assert found.words == WORDS[spec]
    assert found.tone == "ok"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cifar-11", "did you mean cifar10"),
        ("acme/x", "hf:model:acme/x"),
        ("ftp://a/b", "not a source"),
    ],
)
def test_what_is_not_understood_says_what_to_write(text: str, words: str) -> None:
    found = recognise(text)
    assert found.tone == "bad"
    assert words.lower() in found.words.lower()


def test_paths_are_recognised_and_names_suggested(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(b"x" * 1500)
    assert recognise(str(file)).words == "The file a.csv on this machine, 1.5 kB."
    assert recognise(str(tmp_path)).words.startswith("The folder ")
    assert "hf:model:acme/x" in dict(suggestions("acme/x"))
    assert "cifar10" in dict(suggestions("cif"))


def test_the_plan_is_shown_before_a_byte_of_the_weights_moves(
    hub: HubStub, tiny: str, loud: Any
) -> None:
    panel = DownloadPanel(key="")
    panel.box.value = tiny
    assert panel.primary.description == "Plan"
    panel.primary.click()
    assert panel.card.wait(60)
    assert sum(request.sent for request in hub.cdn.log) < 100_000  # headers of the weights at most
    shown = panel._view.value
    for words in (
        "apache-2.0",
        "model.safetensors",
        "801.",
        "float32",
        "200,216",
        "free",
        "acme/tiny",
    ):
        assert words in shown, words
    assert panel.primary.description.startswith("Download 80")
    assert panel.result is None
    panel.primary.click()
    assert panel.card.wait(60)
    assert (panel.result.path / "model.safetensors").stat().st_size > 800_000
    html = "".join(getattr(child, "value", "") for child in panel.result_row.children)
    assert "verified" in html
    assert str(panel.result.path) in html
    assert panel.primary.description == "Plan"


def test_a_changed_input_makes_the_plan_void(tiny: str) -> None:
    panel = DownloadPanel(key="")
    plan = panel.look(spec=tiny)
    assert panel.plan is plan
    panel.fields["ignore"].value = "README.md"
    assert panel.plan is None
    assert panel._view.value == ""
    assert panel.primary.description == "Plan"
    assert panel.code_line.code == f"lnb.download({tiny!r}, ignore=['README.md'])"


def test_run_does_both_steps_and_the_line_shown_is_the_line_that_does_it(tiny: str) -> None:
    panel = DownloadPanel(key="")
    got = panel.run(spec=tiny, ignore=["README.md"])
    assert sorted(item.name for item in got.files) == ["config.json", "model.safetensors"]
    again = eval(panel.code_line.code, {"lnb": lnb})
    assert again.from_cache
    assert again.path == got.path
    assert "cache" in panel.run().origin


def test_options_that_mean_nothing_are_hidden_and_refused(tiny: str, cache: Path) -> None:
    panel = DownloadPanel(spec=tiny, key="")

    def shown() -> set[str]:
        return {name for name, field in panel.fields.items() if field.layout.display != "none"}

    assert shown() == {"spec", "revision", "allow", "ignore", "variant", "to"}
    panel.box.value = "https://a.org/x.csv"
    assert shown() == {"spec", "sha256", "to"}
    panel.fields["sha256"].value = "ab" * 32
    panel.box.value = "synthetic"  # what was typed for another kind of source does not travel
    assert panel.run(spec="synthetic", split="test", limit=7).lineage["rows"] == 7
    with pytest.raises(InvalidArgument, match="revision= means nothing"):
        panel.run(spec="synthetic", revision="v1")


def test_errors_are_a_sentence_and_a_hint_and_the_same_for_run(
    hub: HubStub, tiny: str, loud: Any, tmp_path: Path
) -> None:
    hub.repos.create("model", "acme/gated", gated=True).commit({"model.safetensors": b"x"})
    panel = DownloadPanel(key="")
    cases: list[tuple[str, type[Exception]]] = [
        ("", InvalidArgument), ("hf:model:acme/none", SourceNotFound),
        ("hf:model:acme/gated", GatedRepo), (str(tmp_path / "none"), SourceNotFound),
    ]  # fmt: skip
    for spec, kind in cases:
        panel.box.value = spec
        panel.primary.click()
        assert panel.card.wait(60)
        if panel.plan is not None:  # the plan of a gated repository can be seen
            assert "gated" in panel._view.value
            panel.primary.click()
            assert panel.card.wait(60)
        assert isinstance(panel.error, kind), spec
        assert panel.card.state == "failed"
        assert panel.card.error
        assert panel.card.hint
        assert not panel.primary.disabled
        with pytest.raises(kind):
            panel.run(spec=spec)
    assert panel.run(spec=tiny).kind == "model"
    assert panel.card.error == ""


def test_damaged_bytes_end_in_a_checksum_error(cache: Path, files: FileServer) -> None:
    address = files.add("/x.bin", b"hello")
    panel = DownloadPanel(key="")
    with pytest.raises(ChecksumMismatch):
        panel.run(spec=address, sha256="ab" * 32)
    assert panel.card.state == "failed"
    assert panel.run(spec=address).size == 5


def test_a_download_can_be_cancelled_and_is_never_started_twice(
    cache: Path, files: FileServer, loud: Any
) -> None:
    address = files.add("/big.bin", bytes(60_000_000))  # five minutes at this pace
    files.faults.add("slow", path="/big.bin", method="GET", rate=200_000, times=0)
    panel = DownloadPanel(key="")
    job = panel.run(wait=False, spec=address)
    assert panel.run(wait=False, spec=address) is job  # the same work is joined
    while panel.card.fraction in (None, 0.0):
        time.sleep(0.05)
        assert job.state == "running"
    assert panel.primary.disabled
    panel.cancel()
    assert panel.card.wait(60)
    assert panel.card.state == "cancelled"
    assert isinstance(panel.error, Cancelled)
    with pytest.raises(Cancelled):
        job.result()
    assert panel.result is None


def test_there_is_no_download_without_room(tiny: str, monkeypatch: pytest.MonkeyPatch) -> None:
    panel = DownloadPanel(key="")
    plan = panel.look(spec=tiny)
    panel._present(replace(plan, free_bytes=1000))
    assert panel.primary.disabled
    assert "Not enough room" in panel._warning.value
    assert "1.0 kB free" in panel._warning.value


def test_what_has_to_be_fetched_by_hand_says_how(cache: Path) -> None:
    panel = DownloadPanel(key="")
    assert panel.look(spec="imagenet").request is None
    assert panel.primary.disabled
    assert "image-net.org" in panel._view.value
    with pytest.raises(InvalidArgument, match="by hand"):
        panel.run(spec="imagenet")


def test_the_result_goes_on_to_a_convert_panel(far: Any, tiny: str, loud: Any) -> None:
    panel = DownloadPanel(far, key="")
    heard: list[Any] = []
    panel.on_result(heard.append)
    got = panel.run(spec=tiny)
    assert heard == [got]
    panel.result_row.children[-1].children[0].click()
    below = panel.result_row.children[-1]
    assert isinstance(below, ConvertPanel)
    assert below.run().rows == 2
    assert far.get("tiny").kind == "weights"
    handed: list[Any] = []
    panel.on_convert(handed.append)
    panel._convert()
    assert handed == [got]


def test_a_panel_made_again_replaces_the_earlier_one(cache: Path) -> None:
    count = len(ipywidgets.widgets.widget._instances)
    panel = DownloadPanel(spec="synthetic", key="one")
    mine = len(ipywidgets.widgets.widget._instances) - count
    for _ in range(3):
        panel = DownloadPanel(spec="synthetic", key="one")
    assert len(ipywidgets.widgets.widget._instances) - count == mine
    panel.close()
    assert len(ipywidgets.widgets.widget._instances) == count


# Secrets --------------------------------------------------------------------------------------


def test_what_was_written_earlier_never_replaces_what_was_written_later() -> None:
    box = SpecBox("Source", key="x")
    box._answer_draft("", who="tab", turn=0)
    box._answer_draft("cifar10", commit=True, who="tab", turn=1)
    box._answer_draft("", who="tab", turn=0)  # asked again by a front end that had no answer
    assert (box.value, box.what) == ("cifar10", "cifar10")
    box._answer_draft("mnist", who="another tab", turn=0)
    assert box.what == "mnist"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"https://ann:pa55w0rd@a.org/x.csv?{SIGNED}", "pa55w0rd"),
        (f"https://a.org/x.csv?{SIGNED}", "5ecre7"),
        ("https://ann:pa55w0rd", "pa55w0rd"),
        ("s3://AKIAIOSFODNN7EXAMPLE:pa55w0rd@bucket/x", "pa55w0rd"),
        ("hf_abcdefghijklmnopqrstuvwxyz", "abcdefghij"),
    ],
)
def test_the_box_keeps_secrets_out_of_its_state(text: str, secret: str) -> None:
    box = SpecBox("Source", key="x")
    asked = {"ask": "draft", "id": "1", "args": {"text": text, "commit": False}}
    replies: list[Any] = []
    box.send = lambda content, buffers=None: replies.append(content)  # type: ignore[method-assign]
    box._receive(box, asked, [])
    assert box.what == text
    assert secret not in everything(replies, repr(box), box._static())
    box._receive(box, {**asked, "args": {"text": text, "commit": True}}, [])
    assert box.value == public(text)
    assert box.what == text
    box._receive(box, {**asked, "args": {"text": public(text), "commit": True}}, [])
    assert box.what == text  # leaving the box as it is changes nothing
    assert secret not in everything(replies, repr(box), box._static())
    box.value = ""
    box.value = text  # set from Python
    assert box.what == text
    assert secret not in everything()


def test_no_secret_is_shown_anywhere(
    cache: Path, files: FileServer, hub: HubStub, monkeypatch: pytest.MonkeyPatch, loud: Any
) -> None:
    token = "hf_" + "s3cretTokenOfAnn" * 2
    monkeypatch.setenv("HF_TOKEN", token)
    address = files.add("/x.csv", b"a,b\n1,2\n")
    panel = DownloadPanel(key="")
    seen: list[Any] = []
    for spec in (f"{address}?{SIGNED}", f"{address}.none?{SIGNED}", "hf:model:acme/none",
                 f"{address.replace('://', '://ann:pa55w0rd@')}?{SIGNED}"):  # fmt: skip
        panel.box.value = spec
        panel.primary.click()
        panel.card.wait(60)
        panel.primary.click()
        panel.card.wait(60)
        seen += [repr(panel), panel._repr_mimebundle_(), repr(panel.error), panel.code_line.code,
                 panel.card.traceback, panel.job, repr(panel.result), repr(panel.plan)]  # fmt: skip
    text = everything(*seen)
    assert "x.csv" in text
    for secret in (token, "s3cretToken", "5ecre7sIgn", "pa55w0rd"):
        assert secret not in text
    panel.run(spec=f"{address}?{SIGNED}")
    assert panel.code_line.code == f"lnb.download(address)  # {address}?***"


def test_the_panel_says_where_the_token_comes_from(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_x")
    assert token_words(True) == "Signed in to the Hub by the environment (HF_TOKEN)."
    monkeypatch.delenv("HF_TOKEN")
    login = tmp_path / "token"
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(login))
    assert token_words(True).startswith("Not signed in")
    login.write_text("hf_y")
    assert "login of this machine" in token_words(True)
    assert token_words(False) == ""
    panel = DownloadPanel(spec="https://a.org/x", key="")
    assert panel._token.value == ""
    panel.box.value = "hf:model:acme/tiny"
    assert "login of this machine" in panel._token.value


def test_saved_state_is_small_and_json(tiny: str) -> None:
    panel = DownloadPanel(key="")
    panel.look(spec=tiny)
    size = len(json.dumps({k: v for k, v in panel._view.get_state().items()}))
    assert size < 20_000


def test_the_same_panel_from_two_threads(cache: Path) -> None:
    panel = DownloadPanel(spec="synthetic", key="")
    done: list[Any] = []

    def go() -> None:
        done.append(panel.run(split="test", limit=5).lineage["rows"])

    threads = [threading.Thread(target=go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert done == [5] * 4


def test_a_run_asked_for_while_another_one_ends_downloads_too(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lancenb import download

    go, plan = threading.Event(), download.plan
    monkeypatch.setattr(download, "plan", lambda *a, **k: (go.wait(600), plan(*a, **k))[1])
    panel = DownloadPanel(spec="synthetic", key="")
    panel.run(wait=False, split="test", limit=5)

    def take(_inputs: Any) -> None:
        go.set()
        assert panel.card.wait(60)

    monkeypatch.setattr(panel, "_take", take)
    assert panel.run(split="test", limit=5).lineage["rows"] == 5


def test_a_plan_says_rows_and_split_and_refuses_what_cannot_be_drawn() -> None:
    panel = DownloadPanel(key="")
    panel.look(spec="synthetic", limit=40)
    assert "<dt>rows</dt><dd>40</dd>" in panel._view.value
    assert "<dt>split</dt><dd>train</dd>" in panel._view.value
    with pytest.raises(SourceNotFound, match="no synthetic dataset 'audio'"):
        panel.look(spec="synthetic:audio")


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("resnet18", "Did you mean torchvision:resnet18?"),
        ("bert-base-uncased", "Did you mean hf:model:bert-base-uncased?"),
        ("https://huggingface.co/openai-community/gpt2", "Model openai-community/gpt2"),
        ("https://huggingface.co/datasets/a/b/tree/v1", "Dataset a/b on the Hub, revision v1"),
        ("https://huggingface.co/a/b/resolve/main/x.bin", "File x.bin at"),
        ("https://huggingface.co/docs/hub", "File hub at"),
    ],
)
def test_what_people_paste_is_understood(spec: str, words: str) -> None:
    from lancenb.widgets._recognise import recognise

    assert words in recognise(spec).words
