"""Cutting a stream into inputs: framing only, bounded memory, and no bad line swallows the next."""

from __future__ import annotations

import io

import pytest

from bailiwick.decisions import RawInput, read_inputs
from bailiwick.decisions.intake import BODY_BYTES_MAX
from bailiwick.errors import InputRefused, UsageRefused


class Endless(io.RawIOBase):
    """A stream that gives one byte for ever and counts how much was asked for."""

    def __init__(self, size: int) -> None:
        self.left = size
        self.largest = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        count = min(len(buffer), self.left)
        self.largest = max(self.largest, len(buffer))
        buffer[:count] = b"x" * count
        self.left -= count
        return count


def given(raw: bytes, media: str) -> list[RawInput | InputRefused]:
    return list(read_inputs(io.BytesIO(raw), media))


def test_a_document_is_one_input():
    """Wrong if the lines of one JSON document were taken for several inputs."""
    assert given(b'{\n "a": 1\n}\n', "json") == [RawInput(media="json", body='{\n "a": 1\n}\n')]


def test_each_line_is_an_input_with_its_number():
    """Wrong if a refusal could not be found again in the file."""
    assert given(b'{"a":1}\r\n\n{"a":2}', "jsonl") == [
        RawInput(media="json", body='{"a":1}', line=1),
        RawInput(media="json", body='{"a":2}', line=3),
    ]


def test_each_row_is_an_input_under_its_header():
    """Wrong if a row travelled without the names of its columns."""
    assert given(b"a,b\n1,2\n", "csv") == [RawInput(media="csv", header="a,b", body="1,2", line=2)]


@pytest.mark.parametrize("media", ["json", "jsonl"])
def test_bytes_that_are_not_utf8_are_refused(media: str):
    """Wrong if text could be guessed at, and sealed as something that was never sent."""
    (refused,) = given(b'{"a":"\xff"}', media)
    assert isinstance(refused, InputRefused)
    assert refused.code == "json-not-utf8"


def test_a_line_that_is_too_long_is_refused_and_the_next_is_read():
    """Wrong if one huge line could stop everything behind it."""
    long = b'{"a":"' + b"x" * BODY_BYTES_MAX + b'"}'
    refused, after = given(long + b'\n{"a":2}\n', "jsonl")
    assert isinstance(refused, InputRefused)
    assert refused.code == "input-too-long"
    assert after == RawInput(media="json", body='{"a":2}', line=2)


def test_a_line_of_exactly_the_limit_is_read():
    """Wrong if the limit were one too small."""
    body = b'"' + b"x" * (BODY_BYTES_MAX - 2) + b'"'
    (read,) = given(body + b"\n", "jsonl")
    assert isinstance(read, RawInput)
    assert len(read.body) == BODY_BYTES_MAX


@pytest.mark.parametrize("media", ["json", "jsonl"])
def test_an_endless_line_is_never_held(media: str):
    """Wrong if ten times the limit had to be in memory to be refused."""
    source = Endless(10 * BODY_BYTES_MAX)
    (refused,) = read_inputs(io.BufferedReader(source), media)
    assert isinstance(refused, InputRefused)
    assert refused.code == "input-too-long"
    assert source.largest <= 2 * BODY_BYTES_MAX


def test_an_unknown_format_is_refused_before_anything_is_read():
    """Wrong if a slip of the pen were read as some default."""
    with pytest.raises(UsageRefused, match="yaml"):
        given(b"a: 1", "yaml")
