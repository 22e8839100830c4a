"""What a person typed, read as the answer to a question: a word, a number, a label, the number of an option."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from bailiwick.errors import InputRefused
from bailiwick.packs.interview.asking import Askable

TYPED_CHARACTERS_MAX = 10_000
"""Longest answer that is typed."""

YES = frozenset({"y", "yes", "true", "s", "si", "sí"})
NO = frozenset({"n", "no", "false"})

_INTEGER = re.compile(r"-?[0-9]{1,16}\Z")


def read_typed(text: str, askable: Askable, options: Sequence[Mapping[str, Any]] = ()) -> Any:
    """Read what was typed as a value of the question's type; its schema judges it afterwards.

    Args:
        text: One line.
        askable: What is asked for.
        options: What was shown to choose among (``value`` and ``label``), in the order shown.

    Raises:
        InputRefused: it cannot mean such a value (code ``answer-type``).
    """
    bounded = text.strip()
    if len(bounded) > TYPED_CHARACTERS_MAX:
        raise _refused(askable, f"an answer has at most {TYPED_CHARACTERS_MAX} characters")
    if askable.type.endswith("s"):
        items = [part.strip() for part in bounded.split(",")]
        return [_read(item, askable.type[:-1], askable, options) for item in items if item]
    return _read(bounded, askable.type, askable, options)


def _read(text: str, kind: str, askable: Askable, options: Sequence[Mapping[str, Any]]) -> Any:
    chosen = _chosen(text, kind, options)
    if chosen is not None:
        return chosen["value"]
    if kind == "boolean":
        if text.casefold() in YES | NO:
            return text.casefold() in YES
        raise _refused(askable, "say yes or no")
    if kind == "integer":
        if _INTEGER.match(text):
            return int(text)
        unit = f" of {askable.unit}s" if askable.unit else ""
        raise _refused(askable, f"say a whole number{unit}, in digits")
    return text


def _chosen(text: str, kind: str, options: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Find the option that was meant: by value, by label, or by its number where no value is one."""
    wanted = text.casefold()
    for option in options:
        if wanted in (_told(option["value"]), str(option["label"]).casefold()):
            return option
    if kind != "integer" and _INTEGER.match(text) and 1 <= int(text) <= len(options):
        return options[int(text) - 1]
    return None


def _told(value: Any) -> str:
    return str(value).casefold()


def _refused(askable: Askable, hint: str) -> InputRefused:
    return InputRefused(f"that cannot be the answer to {askable.path}", hint=hint, code="answer-type")
