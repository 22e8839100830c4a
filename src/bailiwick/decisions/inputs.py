"""Cut a stream into raw inputs: CSV rows under a header line, JSON objects one a line, or one JSON document.

Nothing is parsed here but the framing; memory stays bounded however long the stream is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from bailiwick.decisions.intake import BODY_BYTES_MAX, RawInput
from bailiwick.decisions.rows import Row, read_rows
from bailiwick.errors import InputRefused, UsageRefused


def read_inputs(stream: BinaryIO, media: str) -> Iterator[RawInput | InputRefused]:
    """Give the inputs of a stream in order; one that cannot be framed stands as its refusal.

    Args:
        stream: Read once, in pieces.
        media: ``csv``, ``jsonl`` or ``json``.

    Raises:
        UsageRefused: another media.
        RowRefused: a CSV whose header line cannot be read.
    """
    if media == "csv":
        return (_row(each) for each in read_rows(stream))
    if media == "jsonl":
        return _lines(stream)
    if media == "json":
        return iter([_text(stream.read(BODY_BYTES_MAX + 1), None)])
    raise UsageRefused(f"{media[:40]!r} is no format of inputs", hint="use json, jsonl or csv", code="media")


def _row(each: Row | InputRefused) -> RawInput | InputRefused:
    if isinstance(each, InputRefused):
        return each
    return RawInput(media="csv", header=each.header, body=each.body, line=each.line)


def _lines(stream: BinaryIO) -> Iterator[RawInput | InputRefused]:
    """Give one input a line. A line that is too long is refused, and read past without being held."""
    number = 0
    while line := stream.readline(BODY_BYTES_MAX + 1):
        number += 1
        held = line
        while line and not line.endswith(b"\n") and len(held) > BODY_BYTES_MAX:
            line = stream.readline(BODY_BYTES_MAX)
        if held.strip():
            yield _text(held.rstrip(b"\r\n"), number)


def _text(raw: bytes, line: int | None) -> RawInput | InputRefused:
    where = "the document" if line is None else f"line {line}"
    if len(raw) > BODY_BYTES_MAX:
        return InputRefused(
            f"{where} is longer than {BODY_BYTES_MAX} bytes",
            hint="send one observation at a time; --format jsonl takes one a line",
            code="input-too-long",
        )
    try:
        return RawInput(media="json", body=raw.decode(), line=line)
    except UnicodeDecodeError as error:
        return InputRefused(
            f"{where} is not UTF-8 at byte {error.start}", hint="save the text as UTF-8", code="json-not-utf8"
        )
