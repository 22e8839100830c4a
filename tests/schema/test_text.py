"""Words about foreign values: bounded in length and cost, and safe to print."""

from __future__ import annotations

from decimal import Decimal
from time import process_time

import pytest

from bailiwick.schema.text import POINTER_CHARACTERS_MAX, VALUE_CHARACTERS_MAX, pointer, printable, value_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (12, "12"),
        (Decimal("1.50"), "1.50"),
        ("é", '"é"'),
        ({"a": [1, {"b": []}], "c": "x"}, '{"a": [1, {"b": []}], "c": "x"}'),
        ("\x1b[2J", '"\\u001b[2J"'),
        ("\u202eevil", '"\\u202eevil"'),
    ],
)
def test_a_value_is_shown_as_json(value, text):
    """People would see something else than what stood in the document."""
    assert value_text(value) == text


@pytest.mark.parametrize("value", ["x" * 10**7, list(range(10**6)), {str(number): number for number in range(10**5)}])
def test_a_huge_value_is_shown_short_and_at_once(value):
    """One violation could copy megabytes into an error, a hundred could fill the memory."""
    begin = process_time()
    for _ in range(1_000):
        text = value_text(value)
    assert len(text) <= VALUE_CHARACTERS_MAX
    assert text.endswith("…")
    assert process_time() - begin < 2.0


def test_a_pointer_escapes_as_rfc_6901_says():
    """A path with a slash in a key would lead somewhere else."""
    assert pointer(["a/b", "~", 0, ""]) == "/a~1b/~0/0/"


def test_a_long_pointer_keeps_both_ends():
    """A key of a megabyte would stand in the error."""
    text = pointer(["start", "k" * 10**6, "end"])
    assert text.startswith("/start/")
    assert text.endswith("/end")
    assert len(text) == POINTER_CHARACTERS_MAX + 1


def test_half_characters_are_shown_as_escapes():
    """Printing an error would fail with another error."""
    assert printable("a\ud800", 10) == "a\\ud800"
