"""Text to token ids: one row at a time or a padded batch."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import torch

from ..errors import CorruptInput, InvalidArgument
from ._plan import SamplePlan
from ._schema import is_text
from ._shown import rows_with


class Ragged(list[list[int]]):
    """Rows of whole numbers of different lengths, and what fills them up in a batch."""

    def __init__(self, rows: Sequence[Sequence[int]], pad: int):
        super().__init__(list(row) for row in rows)
        self.pad = pad

    def padded(self) -> torch.Tensor:
        """int64 ``(rows, longest)``, filled up on the right."""
        longest = max((len(row) for row in self), default=0)
        filled = [row + [self.pad] * (longest - len(row)) for row in self]
        return torch.tensor(filled, dtype=torch.int64, device="cpu").reshape(len(self), longest)


class TokenSample(dict[str, Any]):
    """A sample whose token tensors are filled up to one length when a batch is made.

    Attributes:
        pads: what fills up each of its keys.
    """

    def __init__(self, values: dict[str, Any], pads: dict[str, int]):
        super().__init__(values)
        self.pads = pads

    def __reduce__(self) -> tuple[type[TokenSample], tuple[dict[str, Any], dict[str, int]]]:
        return (TokenSample, (dict(self), self.pads))


def pad_rows(rows: Sequence[torch.Tensor], pad: int) -> torch.Tensor:
    """Stack 1-d tensors, filled up on the right."""
    return torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True, padding_value=pad)


class TextEncoder:
    """Turns one text column into ``input_ids`` and ``attention_mask``.

    Args:
        tokenizer: a Hugging Face tokenizer, or a function from a text to a list of ids.
        key: sample key of the text.
        max_length: ids kept of one text, None for all.
    """

    def __init__(self, tokenizer: Callable[..., Any], key: str, max_length: int | None = None):
        self.tokenizer = tokenizer
        self.key = key
        self.max_length = max_length
        self._one_at_a_time = threading.Lock()  # fast tokenizers keep their settings in themselves

    @classmethod
    def of(
        cls,
        tokenizer: Any,
        plan: SamplePlan,
        schema: pa.Schema,
        max_length: int | None,
    ) -> TextEncoder | None:
        """The encoder of a plan, None without a tokenizer.

        Raises:
            InvalidArgument: no or several text columns, or a tokenizer that cannot be called.
        """
        if tokenizer is None:
            if max_length is not None:
                raise InvalidArgument("max_length needs a tokenizer")
            return None
        if not callable(tokenizer):
            raise InvalidArgument(f"tokenizer={tokenizer!r:.60} is no function")
        if max_length is not None and (type(max_length) is not int or max_length < 1):
            raise InvalidArgument(f"max_length is a whole number >= 1, not {max_length!r:.60}")
        texts = [
            key
            for key, column in plan.keys.items()
            if is_text(schema.field(column).type) and key != plan.label_key
        ]
        if "text" in texts:
            texts = ["text"]
        if len(texts) != 1:
            named = ", ".join(texts) or "none"
            raise InvalidArgument(
                f"a tokenizer needs one text column, and there is {named}",
                hint='choose it: columns=["text", "label"] or mapping={"text": "my_column"}',
            )
        return cls(tokenizer, texts[0], max_length)

    def encode(self, texts: Sequence[Any], rows: Sequence[int], fill: bool) -> dict[str, Ragged]:
        """Ids and masks of some texts.

        Args:
            texts: the texts; None where there is none.
            rows: row number of each, for messages.
            fill: read a missing text as an empty one.

        Raises:
            CorruptInput: a missing text without ``fill``.
            InvalidArgument: the tokenizer gave something else than whole numbers.
        """
        for row, text in zip(rows, texts, strict=True):
            if text is None and not fill:
                raise CorruptInput(
                    f"row {row} has no value in column '{self.key}'",
                    hint=rows_with(self.key),
                )
        with self._one_at_a_time:
            found = self._called([text or "" for text in texts])
        ids = found["input_ids"]
        masks = found.get("attention_mask") or [[1] * len(row) for row in ids]
        pad = getattr(self.tokenizer, "pad_token_id", None) or 0
        encoded = {"input_ids": Ragged(ids, pad), "attention_mask": Ragged(masks, 0)}
        if "token_type_ids" in found:
            encoded["token_type_ids"] = Ragged(found["token_type_ids"], 0)
        return encoded

    def _called(self, texts: list[str]) -> dict[str, Any]:
        limit = self.max_length
        if hasattr(self.tokenizer, "convert_tokens_to_ids"):  # Hugging Face's
            cut = {"truncation": True, "max_length": limit} if limit else {}
            return dict(self.tokenizer(texts, padding=False, **cut))
        rows = [self._ids(self.tokenizer(text)) for text in texts]
        return {"input_ids": [row[:limit] for row in rows]}

    def _ids(self, found: Any) -> list[int]:
        found = getattr(found, "ids", found)  # tokenizers.Encoding
        if isinstance(found, dict):
            found = found.get("input_ids")
        if hasattr(found, "tolist"):
            found = found.tolist()
        if not isinstance(found, (list, tuple)) or not all(type(i) is int for i in found):
            raise InvalidArgument(
                f"the tokenizer gave {found!r:.60}, which is no list of whole numbers",
                hint="give a function from a text to a list of ids, or a Hugging Face tokenizer",
            )
        return list(found)

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "_one_at_a_time"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._one_at_a_time = threading.Lock()
