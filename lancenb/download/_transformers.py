"""Objects of transformers from files that are here: no network, no code from a repository."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import CorruptInput, InvalidArgument, LancenbError, MissingDependency, UnsafeInput
from ._names import public_url

_TOKENIZERS = ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "vocab.json",
               "spiece.model", "tokenizer.model")  # fmt: skip


def build(
    folder: Path,
    source: str,
    model_class: str,
    tokenizer_class: str | None,
    *,
    trust_remote_code: bool,
    variant: str | None,
    options: dict[str, Any],
) -> tuple[Any, Any]:
    """Build a model, and its tokenizer if it has one.

    Args:
        folder: the downloaded files.
        source: the spec, for messages.
        model_class: class of transformers.
        tokenizer_class: class of transformers, None for no tokenizer.
        trust_remote_code: whether code of the repository may run.
        variant: form of the weights.
        options: for the model's ``from_pretrained``.
    """
    make_model = _find(model_class)
    make_tokenizer = _find(tokenizer_class) if tokenizer_class else None
    shared = {"trust_remote_code": trust_remote_code, "local_files_only": True}
    if variant:
        options = {"variant": variant, **options}
    with _errors(source, folder):
        model = make_model.from_pretrained(folder, **shared, **options)
        if make_tokenizer is None or not any((folder / n).is_file() for n in _TOKENIZERS):
            return model, None
        return model, make_tokenizer.from_pretrained(folder, **shared)


def _find(name: str) -> Any:
    try:
        import transformers  # type: ignore[import-not-found]
    except ImportError as error:
        raise MissingDependency(
            "building a model needs transformers", hint="pip install transformers"
        ) from error
    found = getattr(transformers, name, None) if name.isidentifier() else None
    if not hasattr(found, "from_pretrained"):
        raise InvalidArgument(
            f"transformers has no class {name!r} to load", hint="such as AutoModel"
        )
    return found


@contextmanager
def _errors(source: str, folder: Path) -> Iterator[None]:
    shown = public_url(source)
    try:
        yield
    except LancenbError:
        raise
    except ImportError as error:
        raise MissingDependency(
            f"{shown} needs a package that is not installed ({_line(error)})",
            hint="install what the sentence names, then load again",
        ) from error
    except (ValueError, OSError, LookupError, RuntimeError, AttributeError, TypeError) as error:
        if "trust_remote_code" in str(error) or "custom code" in str(error):
            raise UnsafeInput(
                f"{shown} is built by Python code of its owner, which is not run unasked",
                hint=f"read the .py files in {folder}; if you trust them: "
                "load(trust_remote_code=True)",
            ) from error
        raise CorruptInput(
            f"transformers cannot build a model of {shown} ({_line(error)})",
            hint="lancenb.convert takes the weights without building a model",
        ) from error


def _line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
