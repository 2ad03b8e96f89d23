"""transformers against the local Hub: configurations, tokenizers, weights in all their files."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from lancenb.testing import HubStub

from .client import Client

pytest.importorskip("transformers")

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "hello", "world"]


def make(folder: str, form: str) -> dict[str, Any]:
    """Write a tiny random model and its tokenizer; return the hash of its weights."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    torch.manual_seed(0)
    size: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    model = BertModel(BertConfig(vocab_size=7, intermediate_size=32, **size))
    if form == "bin":
        model.config.save_pretrained(folder)
        torch.save(model.state_dict(), Path(folder) / "pytorch_model.bin")
    else:
        model.save_pretrained(folder, max_shard_size="40KB" if form == "shards" else "1GB")
    vocabulary = Path(folder) / "vocab.txt"
    vocabulary.write_text("\n".join(VOCABULARY) + "\n")
    BertTokenizer(str(vocabulary)).save_pretrained(folder)
    return digest(model)


def digest(model: Any) -> dict[str, str]:
    return {
        name: hashlib.sha256(value.contiguous().numpy().tobytes()).hexdigest()
        for name, value in model.state_dict().items()
    }


def load(name: str, cache: str, **options: Any) -> tuple[str, list[int], dict[str, str]]:
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    options["cache_dir"] = cache
    config = AutoConfig.from_pretrained(name, **options)
    tokenizer = AutoTokenizer.from_pretrained(name, **options)
    model = AutoModel.from_pretrained(name, **options)
    return config.model_type, tokenizer("hello world")["input_ids"], digest(model)


@pytest.mark.parametrize("form", ["single", "shards", "bin"])
def test_models_load_from_every_form_of_weights(
    hub: HubStub, client: Client, tmp_path: Path, form: str
):
    folder = tmp_path / form
    folder.mkdir()
    weights = client(make, str(folder), form)
    hub.repos.import_folder("model", f"acme/bert-{form}", folder)
    kind, ids, loaded = client(load, f"acme/bert-{form}", str(tmp_path / "cache"))
    assert (kind, ids) == ("bert", [2, 5, 6, 3])
    assert loaded == weights
    names = sorted(
        path.name for path in folder.iterdir() if path.suffix in (".safetensors", ".bin")
    )
    assert len(names) == 1 or form == "shards"
    assert len(hub.cdn.requests("GET")) == len(names)


def push(folder: str, name: str) -> None:
    from transformers import AutoModel, AutoTokenizer

    AutoModel.from_pretrained(folder).push_to_hub(name, token="hf_ann", private=True)
    AutoTokenizer.from_pretrained(folder).push_to_hub(name, token="hf_ann")


def test_push_to_hub_and_back(hub: HubStub, client: Client, tmp_path: Path):
    folder = tmp_path / "model"
    folder.mkdir()
    weights = client(make, str(folder), "single")
    client(push, str(folder), "ann/pushed")
    repo = hub.repos.get("model", "ann/pushed")
    assert repo
    assert repo.private
    tree = repo.commits[repo.refs["main"]]
    assert json.loads(tree["config.json"].data.read_bytes())["model_type"] == "bert"
    assert tree["model.safetensors"].data.read_bytes() == (
        (folder / "model.safetensors").read_bytes()
    )
    cache = str(tmp_path / "cache")
    assert client(load, "ann/pushed", cache, token="hf_ann")[2] == weights
    failure = client.failure(load, "ann/pushed", cache + "2")
    assert failure.kinds[0] == "OSError"
    assert "is not a local folder" in failure.text


def test_revisions_and_gates(hub: HubStub, client: Client, tmp_path: Path):
    folder = tmp_path / "model"
    folder.mkdir()
    weights = client(make, str(folder), "single")
    repo = hub.repos.import_folder("model", "acme/gate", folder, gated=True)
    repo.tags["v1"] = repo.refs["main"]
    repo.commit({"model.safetensors": b"damaged"})
    cache = str(tmp_path / "cache")
    assert client(load, "acme/gate", cache, token="hf_ann", revision="v1")[2] == weights
    failure = client.failure(load, "acme/gate", cache + "2", token="hf_bob")
    assert "gated repo" in failure.text
    failure = client.failure(load, "acme/gate", cache, token="hf_ann", revision="v2")
    assert "not a valid git identifier" in failure.text
