"""``ModelDownloader(mode="transformers").load()`` with the real transformers."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from lancenb.download import ModelDownloader
from lancenb.errors import CorruptInput, InvalidArgument, MissingDependency, UnsafeInput
from lancenb.testing import HubStub, Repo

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "tiny", "model")
CODE = """
from transformers import PretrainedConfig
open({mark!r}, "w").write("ran")
class OwnConfig(PretrainedConfig):
    model_type = "own"
"""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of a few thousand values with a tokenizer."""
    transformers: Any = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    transformers.BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    config = transformers.BertConfig(
        vocab_size=len(WORDS), hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=16,
    )  # fmt: skip
    transformers.BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture
def repo(hub: HubStub, tiny: Path) -> Repo:
    return hub.repos.import_folder("model", "acme/tiny", tiny)


def test_model_and_tokenizer(hub: HubStub, repo: Repo) -> None:
    front = ModelDownloader("acme/tiny", mode="transformers")
    model, tokenizer = front.load()
    assert type(model).__name__ == "BertModel"
    assert tokenizer.is_fast
    out = model(**tokenizer("tiny model", return_tensors="pt"))
    assert out.last_hidden_state.shape[-1] == 8
    assert front.spec == "transformers:acme/tiny"
    assert hub.leaked == []
    hub.close()
    again, nothing = ModelDownloader("acme/tiny", mode="transformers", offline=True).load(
        model_class="AutoModelForSequenceClassification", tokenizer_class=None, num_labels=3
    )
    assert again.config.num_labels == 3
    assert nothing is None


def test_code_of_a_repository_is_not_run(hub: HubStub, repo: Repo, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    config = {"model_type": "own", "auto_map": {"AutoConfig": "own.OwnConfig",
                                               "AutoModel": "own.OwnModel"}}  # fmt: skip
    repo.commit({"config.json": json.dumps(config).encode(),
                 "own.py": CODE.format(mark=str(mark)).encode()})  # fmt: skip
    with pytest.raises(UnsafeInput, match="not run unasked") as caught:
        ModelDownloader("acme/tiny", mode="transformers").load()
    assert "trust_remote_code=True" in caught.value.hint
    assert not mark.exists()
    with pytest.raises(CorruptInput):  # it runs when trusted, and then has no model class
        ModelDownloader("acme/tiny", mode="transformers").load(trust_remote_code=True)
    assert mark.exists()


def test_what_cannot_be_built(hub: HubStub, repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    front = ModelDownloader("acme/tiny", mode="transformers")
    with pytest.raises(InvalidArgument, match="AutoNothing"):
        front.load(model_class="AutoNothing")
    with pytest.raises(InvalidArgument, match="mode='url'"):
        ModelDownloader("https://a.example/x.bin", mode="url").load()
    repo.commit({"config.json": b'{"model_type": "no-such-type"}'})
    with pytest.raises(CorruptInput) as caught:
        front.load()
    assert "lancenb.convert" in caught.value.hint
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingDependency, match="transformers"):
        front.load()
