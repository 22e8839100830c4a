"""Cut a stream of CSV into rows without ever trusting it: bounded memory, and no broken row swallows the next.

Framing only: where a row starts and ends (RFC 4180: a quote opens at the start of a field, ``""`` is a quote inside
one, and a quoted field may hold line ends). What the fields mean is for the module that reads rows. A row that cannot
be framed is refused under the number of its first line, and reading goes on with the line after that one.
"""

from __future__ import annotations

import codecs
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from bailiwick.errors import RowRefused, Unavailable

ROW_BYTES_MAX = 65_536
"""Longest row, header included, in bytes."""
ROW_LINES_MAX = 50
"""Most physical lines of one row: how far a quote that nobody closes can reach."""
CHUNK_BYTES = 65_536
"""How much is read from the stream at a time, in bytes."""

FOREIGN_ENCODINGS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One framed row. ``line`` is the number of its first physical line from 1; header and body have no line end."""

    line: int
    header: str
    body: str


@dataclass(slots=True)
class _Line:
    """A physical line without its newline, or only its number and size where it is too long to be kept.

    ``size`` is in bytes and leaves out a carriage return at the end.
    """

    number: int
    text: bytes
    size: int
    endings: dict[bool, bool] = field(default_factory=dict)

    def ends_quoted(self, *, is_quoted: bool) -> bool:
        """Scan the line once for each way it can start: a row that comes to nothing has its lines looked at again."""
        if is_quoted not in self.endings:
            self.endings[is_quoted] = ends_quoted(self.text, is_quoted=is_quoted)
        return self.endings[is_quoted]

    @property
    def is_kept(self) -> bool:
        return self.size <= ROW_BYTES_MAX

    @property
    def is_blank(self) -> bool:
        return self.size == 0


def read_rows(stream: BinaryIO, *, chunk_bytes: int = CHUNK_BYTES) -> Iterator[Row | RowRefused]:
    """Give the rows of a CSV file in order, each with the file's header, and an error in place of each bad one.

    Blank lines are skipped, lines end in LF or CRLF, a UTF-8 byte order mark is dropped. Errors that are given, not
    raised, end with the line they are about: ``row-too-long``, ``row-unclosed-quote``, ``row-not-utf8``.

    Raises:
        RowRefused: the file as a whole cannot be read: ``row-encoding`` (UTF-16 and the like),
            ``row-header-missing`` (nothing in it), or the header is bad in one of the ways above.
        Unavailable: the stream fails.

    Cost: memory is bounded by ``ROW_BYTES_MAX`` and the chunk, whatever comes in; a line is scanned
    twice and passed over ``ROW_LINES_MAX`` times at worst.

    >>> import io
    >>> [row.body for row in read_rows(io.BytesIO(b'a,b\\n1,"x\\ny"\\n'))]
    ['1,"x\\ny"']
    """
    frames = _frame(_lines(stream, chunk_bytes))
    header = _header(next(frames, None))
    for framed in frames:
        yield framed if isinstance(framed, RowRefused) else Row(line=framed[0], header=header, body=framed[1])


def _header(framed: tuple[int, str] | RowRefused | None) -> str:
    """Give the header line, or say why the file as a whole cannot be read."""
    if framed is None:
        raise RowRefused(
            "the input has no header line",
            hint="give a CSV file whose first line names its columns",
            code="row-header-missing",
        )
    if isinstance(framed, RowRefused):
        raise framed
    if "\0" in framed[1]:
        raise _encoding_refused("has a NUL in its header, as UTF-16 without a byte order mark does")
    return framed[1]


def ends_quoted(text: bytes, *, is_quoted: bool) -> bool:
    """Say whether a line ends inside a quoted field; ``is_quoted`` says whether it starts inside one.

    >>> ends_quoted(b'1,"two', is_quoted=False)
    True
    >>> ends_quoted(b'say "no"', is_quoted=False)
    False
    """
    position = 0
    if not is_quoted:
        position = 1 if text.startswith(b'"') else _after_opening(text, 0)
    while position >= 0:
        closing = text.find(b'"', position)
        if closing < 0:
            return True
        is_doubled = text.startswith(b'"', closing + 1)
        position = closing + 2 if is_doubled else _after_opening(text, closing + 1)
    return False


def _after_opening(text: bytes, start: int) -> int:
    """Give the place after the next quote that opens a field, which a comma stands before, or -1."""
    comma = text.find(b',"', start)
    return comma + 2 if comma >= 0 else -1


def _lines(stream: BinaryIO, chunk_bytes: int) -> Iterator[_Line]:
    """Cut the stream at newlines, keeping no line that is too long for a row."""
    number, rest, dropped = 1, b"", 0
    is_start = True
    while chunk := _read(stream, chunk_bytes):
        rest += chunk
        if is_start and len(rest) >= len(codecs.BOM_UTF32_LE):
            rest, is_start = _without_mark(rest), False
        *whole, rest = rest.split(b"\n")
        for text in whole:
            yield _line(number, text, dropped)
            number, dropped = number + 1, 0
        if dropped or len(rest) > ROW_BYTES_MAX + 1:
            dropped, rest = dropped + len(rest), b""
    if is_start:
        rest = _without_mark(rest)
    if rest or dropped:
        yield _line(number, rest, dropped)


def _line(number: int, text: bytes, dropped: int) -> _Line:
    size = len(text.removesuffix(b"\r")) + dropped
    is_kept = size <= ROW_BYTES_MAX
    return _Line(number=number, text=text if is_kept else b"", size=size)


def _read(stream: BinaryIO, chunk_bytes: int) -> bytes:
    """Read what is there, up to a chunk: on a pipe a row is given when it has come, not when the chunk is full."""
    read = getattr(stream, "read1", stream.read)
    try:
        return bytes(read(chunk_bytes))
    except OSError as error:
        raise Unavailable(
            f"the rows cannot be read any further: {error}", hint="check the file or pipe, then run it again"
        ) from error


def _without_mark(start: bytes) -> bytes:
    """Drop a UTF-8 byte order mark; refuse the marks of other encodings.

    Raises:
        RowRefused: ``row-encoding``.
    """
    for mark, name in FOREIGN_ENCODINGS.items():
        if start.startswith(mark):
            raise _encoding_refused(f"starts with the byte order mark of {name}")
    return start.removeprefix(codecs.BOM_UTF8)


def _frame(lines: Iterator[_Line]) -> Iterator[tuple[int, str] | RowRefused]:
    """Join lines into rows. ``waiting`` are lines that were looked at for a row that came to nothing."""
    waiting: deque[_Line] = deque()
    while first := _next(waiting, lines):
        if first.is_blank:
            continue
        if not first.is_kept:
            yield _too_long(first.number, first.size)
            continue
        row, unused = [first], []
        is_open = first.ends_quoted(is_quoted=False)
        size = len(first.text)
        while is_open and (line := _next(waiting, lines)):
            size += 1 + line.size
            if not line.is_kept or size > ROW_BYTES_MAX or len(row) == ROW_LINES_MAX:
                unused.append(line)
                break
            row.append(line)
            is_open = line.ends_quoted(is_quoted=True)
        if is_open:
            waiting.extendleft(reversed([*row[1:], *unused]))
            yield _unclosed(first.number)
        else:
            yield _text(row)


def _next(waiting: deque[_Line], lines: Iterator[_Line]) -> _Line | None:
    return waiting.popleft() if waiting else next(lines, None)


def _text(row: list[_Line]) -> tuple[int, str] | RowRefused:
    number = row[0].number
    body = b"\n".join(line.text for line in row).removesuffix(b"\r")
    try:
        return number, body.decode()
    except UnicodeDecodeError as error:
        return RowRefused(
            f"line {number} is not UTF-8: byte {body[error.start]:#04x} at position {error.start} of the row",
            hint="save the file as UTF-8",
            code="row-not-utf8",
        )


def _too_long(number: int, size: int) -> RowRefused:
    return RowRefused(
        f"line {number} has {size} bytes, more than the {ROW_BYTES_MAX} of a row",
        hint="look for a missing line end, or a file that is not CSV",
        code="row-too-long",
    )


def _unclosed(number: int) -> RowRefused:
    return RowRefused(
        f"line {number} opens a quote that is not closed within {ROW_LINES_MAX} lines and {ROW_BYTES_MAX} bytes",
        hint='close the quote; a quote inside a quoted field is written ""',
        code="row-unclosed-quote",
    )


def _encoding_refused(what: str) -> RowRefused:
    return RowRefused(f"the input {what}", hint="save the file as UTF-8", code="row-encoding")
