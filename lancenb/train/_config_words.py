"""What was probably meant by words that a configuration does not take."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from ..errors import InvalidArgument

#: Arguments of ``fit`` -> keys and groups that say the same in a configuration.
_ARGUMENTS = {
    "epochs": ("trainer.max_epochs",),
    "val": ("data.val_fraction", "data.val"),
    "image_size": ("data.image_size",),
    "threads": ("data.threads",),
    "num_workers": ("data.num_workers",),
    "augment": ("data.augment",),
    "accelerator": ("trainer.accelerator",),
    "devices": ("trainer.devices",),
    "precision": ("trainer.precision",),
    "strategy": ("trainer.strategy",),
    "accumulate": ("trainer.accumulate_grad_batches",),
    "loggers": ("logger",),
}


def keys_of_argument(word: str, keys: Collection[str]) -> list[str]:
    """Return what an argument of ``fit`` is called in a configuration.

    Args:
        word: the argument.
        keys: keys and groups of the configuration.

    >>> keys_of_argument("epochs", ["seed", "trainer.max_epochs"])
    ['trainer.max_epochs']
    """
    return [key for key in _ARGUMENTS.get(word, ()) if key in keys]


def no_override(word: object, known: Mapping[str, list[str]], of: str) -> str:
    """Return the hint for a word without a key.

    Args:
        word: the word.
        known: groups and their choices.
        of: ``"config"`` or ``"eval"``.

    >>> no_override("net", {}, "eval")
    'key=value, such as checkpoint=net'
    """
    group = next((name for name, choices in known.items() if word in choices), None)
    if group is None and of == "eval" and isinstance(word, str) and "=" not in word:
        group = "checkpoint"
    return f"key=value, such as {f'{group}={word}' if group else 'trainer.max_epochs=5'}"


def no_choice(
    group: str, value: str, near: list[str], choices: list[str], *, left_out: bool, of: str
) -> str:
    """Return the hint for a choice that a group does not have.

    Args:
        group: name of the group.
        value: what was to be chosen.
        near: choices that come near it.
        choices: of the group.
        left_out: the word was ``~group``.
        of: ``"config"`` or ``"eval"``.

    >>> no_choice("logger", "", [], ["csv", "none"], left_out=True, of="config")
    'logger=none'
    """
    if left_out and "none" in choices:
        return f"{group}=none"
    told = f"did you mean {' or '.join(near)}?" if near else ""
    if group == "data" and value:
        table = f"data=lance data.{'test' if of == 'eval' else 'train'}={value}"
        return f"{told} a table of that name is {table}" if told else table
    return told or f"{group} is one of {', '.join(choices)}"


def all_of(wrong: Sequence[tuple[str, InvalidArgument]]) -> InvalidArgument:
    """Return one error for all words that are wrong, each with what was probably meant.

    Args:
        wrong: the words and what is wrong with them, at least one.

    >>> error = InvalidArgument("there is no key 'lrr'", hint="did you mean lr?")
    >>> print(all_of([("lrr=1", error), ("lrr=2", error)]))
    2 words are wrong: there is no key 'lrr'; there is no key 'lrr'
      hint: lrr=1: did you mean lr?; lrr=2: did you mean lr?
    """
    if len(wrong) == 1:
        return wrong[0][1]
    said = "; ".join(error.message for _, error in wrong)
    hints = "; ".join(f"{word:.60}: {error.hint}" for word, error in wrong if error.hint)
    return InvalidArgument(f"{len(wrong)} words are wrong: {said}", hint=hints)
