"""YAML as a pack may write it: nothing resolved by guess, every limit met."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick.packs.format.documents import DEPTH_MAX, FILE_BYTES_MAX, VALUES_MAX, DocumentFault, read_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1\nb: [true, null, x]", {"a": 1, "b": [True, None, "x"]}),
        ("from: 2015-01-01", {"from": "2015-01-01"}),
        ("version: 1.0.0", {"version": "1.0.0"}),
        ("a: 'yes'", {"a": "yes"}),
        ('a: "1.5"', {"a": "1.5"}),
        ("a: |\n  two\n  lines\n", {"a": "two\nlines\n"}),
        ("on: x", {"on": "x"}),
        ("1: x", {"1": "x"}),
        ("a:", {"a": None}),
        ("a: -7", {"a": -7}),
        ("a: 66 FR 5916", {"a": "66 FR 5916"}),
        ("x", "x"),
        ("[]", []),
        ("\ufeffa: b", {"a": "b"}),
    ],
)
def test_plain_values_are_read_as_they_stand(text: str, value: Any):
    """A pack's author would write one thing and the pack hold another."""
    assert read_yaml("f.yaml", text.encode()) == value


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (b"", "empty"),
        (b"# nothing", "empty"),
        (b"a: {b: 1, b: 2}", "duplicate-key"),
        (b"a: 1\na: 1", "duplicate-key"),
        (b"a: &x [1]\nb: *x", "anchor"),
        (b"a: *x", "alias"),
        (b"<<: {a: 1}", "merge-key"),
        (b"!!python/object/apply:os.system [ls]", "tag"),
        (b"a: !!str 1", "tag"),
        (b"a: !x y", "tag"),
        (b"%YAML 1.1\n---\na: 1", "directive"),
        (b"%TAG ! tag:x,2000:\n---\na: 1", "directive"),
        (b"a\n---\nb", "documents"),
        (b"{[a]: 1}", "key"),
        (b"? {a: 1}\n: 2", "key"),
        (b"a: 1.5", "number"),
        (b"a: 1e3", "number"),
        (b"a: .5", "number"),
        (b"a: 010", "number"),
        (b"a: 0x1f", "number"),
        (b"a: 0b1", "number"),
        (b"a: 1_000", "number"),
        (b"a: +5", "number"),
        (b"a: -0", "number"),
        (b"a: 12:30", "number"),
        (b"a: 9007199254740992", "integer"),
        (b"a: 99999999999999999999", "number"),
        (b"a: yes", "doubtful"),
        (b"a: No", "doubtful"),
        (b"a: on", "doubtful"),
        (b"a: TRUE", "doubtful"),
        (b"a: ~", "doubtful"),
        (b"a: .inf", "doubtful"),
        (b"a: .NaN", "doubtful"),
        (b"a: \xff", "encoding"),
        (b"a: \x00", "encoding"),
        ("a: b".encode("utf-16"), "encoding"),
        (b"a: 'x", "yaml"),
        (b"a: [1", "yaml"),
        (b"\ta: 1", "yaml"),
        (b"a: b: c", "yaml"),
        (b'a: "\\ud800"', "yaml"),
        (b"a: \x07", "yaml"),
        (b"[" * 5_000, "depth"),
        (b"{a: " * 5_000, "depth"),
        (b"- " * 5_000 + b"a", "depth"),
        (b" " * (FILE_BYTES_MAX + 1), "size"),
        (b"[" + b"a," * (VALUES_MAX + 1) + b"]", "values"),
    ],
)
def test_what_is_doubtful_or_hostile_is_refused(text: bytes, rule: str):
    """A pack could mean two things, run code, or eat the memory."""
    with pytest.raises(DocumentFault) as caught:
        read_yaml("f.yaml", text)
    assert caught.value.violation.rule == rule
    assert caught.value.violation.path.startswith("f.yaml")


def test_a_bomb_of_aliases_is_refused_at_its_first_anchor():
    """Nine lines could become a billion values."""
    lines = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    with pytest.raises(DocumentFault) as caught:
        read_yaml("f.yaml", "\n".join(lines).encode())
    assert (caught.value.violation.rule, caught.value.violation.path) == ("anchor", "f.yaml:1")


def test_the_limits_themselves_are_allowed():
    """A sound pack would be refused."""
    assert read_yaml("f.yaml", b"[" * DEPTH_MAX + b"]" * DEPTH_MAX)
    assert read_yaml("f.yaml", b"a: " + b"x" * (FILE_BYTES_MAX - 3)) is not None
    assert len(read_yaml("f.yaml", b"[" + b"a," * (VALUES_MAX - 1) + b"]")) == VALUES_MAX - 1


def test_a_fault_names_its_line():
    """An author would have to search the file."""
    with pytest.raises(DocumentFault) as caught:
        read_yaml("rules/x.yaml", b"a: 1\n\nb: 1.5\n")
    assert caught.value.violation.path == "rules/x.yaml:3"


@given(st.binary(max_size=200) | st.text(alphabet="ab:-[]{}&*!|>'\"#%@`?, \n\t~<10.", max_size=80).map(str.encode))
def test_any_bytes_are_read_or_refused(raw: bytes):
    """A pack could crash the loader."""
    with suppress(DocumentFault):
        assert isinstance(read_yaml("f.yaml", raw), dict | list | str | int | None)
