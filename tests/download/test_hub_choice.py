"""Which files of a repository are taken: one set of weights, in the order of transformers."""

from __future__ import annotations

from pathlib import Path

import pytest

from lancenb.download import ModelDownloader, download
from lancenb.download.choose import choose_files, choose_weights, is_unsafe
from lancenb.errors import InvalidArgument, SourceNotFound, UnsafeInput
from lancenb.testing import HubStub

SHARDS = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
INDEX = "model.safetensors.index.json"


def test_order_of_weight_sets() -> None:
    assert choose_weights([*SHARDS, INDEX, "pytorch_model.bin"]) == [INDEX, *SHARDS]
    assert choose_weights(["tf_model.h5", "pytorch_model.bin"]) == ["pytorch_model.bin"]
    assert choose_weights(["unet/x.safetensors", "vae/x.safetensors", "vae/x.bin"]) == [
        "unet/x.safetensors",
        "vae/x.safetensors",
    ]
    assert choose_weights(["original/consolidated.00.pth", "a.pth"]) == ["a.pth"]
    both = choose_files([*SHARDS, INDEX, "model.safetensors", "config.json"], "model")
    assert both.names == ("model.safetensors", "config.json")
    odd = choose_files(["a[1].json", "b.bin", "a1.json", "x.h5"], "model")
    assert odd.names == ("a[1].json", "b.bin", "a1.json")
    skipped = ["onnx/model.onnx", "tf_model.h5", "flax_model.msgpack", "x.gguf",
               "original/params.json", "consolidated.00.pth"]  # fmt: skip
    chosen = choose_files([*skipped, "model.safetensors", "pytorch_model.bin"], "model")
    assert chosen.names == ("model.safetensors",)


def test_variants() -> None:
    names = ["model.safetensors", "model.fp16.safetensors", "pytorch_model.fp16.bin"]
    assert choose_weights(names) == ["model.safetensors"]
    assert choose_weights(names, "fp16") == ["model.fp16.safetensors"]
    sharded = [
        "model.safetensors.index.fp16.json", "model.fp16-00001-of-00002.safetensors",
        "model.fp16-00002-of-00002.safetensors",
    ]  # fmt: skip
    assert choose_weights([*sharded, *SHARDS, INDEX], "fp16") == sharded
    assert choose_weights([*sharded, *SHARDS, INDEX]) == [INDEX, *SHARDS]
    assert choose_weights(["model.fp16.safetensors"]) == ["model.fp16.safetensors"]
    pipeline = [f"{part}/x{form}.safetensors" for part in ("unet", "vae") for form in ("", ".fp16")]
    assert choose_weights(pipeline) == ["unet/x.safetensors", "vae/x.safetensors"]
    assert choose_weights(pipeline, "fp16") == ["unet/x.fp16.safetensors", "vae/x.fp16.safetensors"]
    with pytest.raises(SourceNotFound, match="bf16") as caught:
        choose_files(names, "model", variant="bf16")
    assert "fp16" in caught.value.hint


def test_modules_of_sentence_transformers() -> None:
    names = ["modules.json", "model.safetensors", "pytorch_model.bin", "2_Dense/model.safetensors",
             "2_Dense/pytorch_model.bin", "1_Pooling/config.json"]  # fmt: skip
    assert choose_weights(names) == ["model.safetensors", "2_Dense/model.safetensors"]


def test_a_variant_by_the_front_doors(hub: HubStub) -> None:
    repo = hub.repos.create("model", "acme/two")
    repo.commit({"config.json": b"{}", "model.safetensors": b"a", "model.fp16.safetensors": b"b"})
    found = {f.name for f in ModelDownloader("acme/two", variant="fp16").download()}
    assert found == {"config.json", "model.fp16.safetensors"}
    with pytest.raises(InvalidArgument, match="variant="):
        download("hf:dataset:acme/two", variant="fp16")


@pytest.mark.parametrize(
    "name", ["../../evil.json", "/etc/passwd.json", "a/../../b.json", "C:x.json", "a\\..\\b.json"]
)
def test_names_that_would_leave_their_folder(hub: HubStub, cache: Path, name: str) -> None:
    assert is_unsafe(name)
    with pytest.raises(UnsafeInput, match="outside its folder") as caught:
        choose_files(["config.json", name], "model")
    assert "ignore=" in caught.value.hint
    assert choose_files(["config.json", name], "model", ignore=[name]).names == ("config.json",)
    assert choose_files(["config.json", name], "model", ["config.json"]).names == ("config.json",)


def test_an_evil_listing_writes_nothing(
    hub: HubStub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = hub.repos.create("model", "acme/evil")
    repo.commit({"config.json": b"{}", "../../../evil.json": b"{}"})
    with pytest.raises(UnsafeInput):
        download("hf:model:acme/evil")
    assert not list(cache.parent.rglob("evil.json"))
