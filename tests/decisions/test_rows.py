"""Rows come out whole and in order, and a broken one takes no other with it."""

import csv
import io
import os
import random
import tracemalloc

import pytest

from bailiwick.decisions.rows import CHUNK_BYTES, ROW_BYTES_MAX, ROW_LINES_MAX, Row, ends_quoted, read_rows
from bailiwick.errors import RowRefused, Unavailable

MEMORY_BYTES_MAX = 1 << 20
"""What reading a huge row may hold at its worst: a few rows and chunks."""


def frames(data, **settings):
    """Give what comes of some bytes: line and body of each row, line and code of each refusal."""
    found = []
    for each in read_rows(io.BytesIO(data), **settings):
        if isinstance(each, Row):
            found.append((each.line, each.body))
        else:
            assert each.hint
            found.append((int(each.message.split("line ")[1].split()[0]), each.code))
    return found


def test_rows_carry_their_header_and_their_line_number():
    """Without the line nobody finds the row again; without the header nobody can read it."""
    rows = list(read_rows(io.BytesIO(b"a,b\n1,2\n\n3,4")))
    assert rows == [Row(line=2, header="a,b", body="1,2"), Row(line=4, header="a,b", body="3,4")]


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"a\n1\n2\n", [(2, "1"), (3, "2")]),
        (b"a\r\n1\r\n2\r\n", [(2, "1"), (3, "2")]),
        (b"a\n1", [(2, "1")]),
        (b"\n\r\n\na\n\n1\n\n", [(6, "1")]),
        (b"\xef\xbb\xbfa\n1\n", [(2, "1")]),
        (b"a\n", []),
        (b"a", []),
        (b'a,b\n1,"x\ny"\n2,z\n', [(2, '1,"x\ny"'), (4, "2,z")]),
        (b'a,b\r\n1,"x\r\n\r\ny"\r\n2,z\r\n', [(2, '1,"x\r\n\r\ny"'), (5, "2,z")]),
        (b'a\n"x\n', [(2, "row-unclosed-quote")]),
        (b'a\n"x\n1\n2\n', [(2, "row-unclosed-quote"), (3, "1"), (4, "2")]),
        (b'a\n"x\n1,"y"\n2\n', [(2, '"x\n1,"y"'), (4, "2")]),
        (b'a\nsay "x\n2\n', [(2, 'say "x'), (3, "2")]),
        (b'a\n5" pipe,6"\n2\n', [(2, '5" pipe,6"'), (3, "2")]),
        (b'a\n"x" y\n2\n', [(2, '"x" y'), (3, "2")]),
        (b'a\n"","\n2\n', [(2, "row-unclosed-quote"), (3, "2")]),
        (b'a\n"""x""\n",1\n2\n', [(2, '"""x""\n",1'), (4, "2")]),
        (b"a\n\xff\n2\n", [(2, "row-not-utf8"), (3, "2")]),
        (b"a\n\xed\xa0\x80\n2\n", [(2, "row-not-utf8"), (3, "2")]),
        (b'a\n"\n\xe9"\n2\n', [(2, "row-not-utf8"), (4, "2")]),
        (b"a\n1\0\n2\n", [(2, "1\0"), (3, "2")]),
        (b"a\n1\r2\n", [(2, "1\r2")]),
        (b"a\n\r\n \n", [(3, " ")]),
    ],
)
@pytest.mark.parametrize("chunk_bytes", [1, 3, CHUNK_BYTES])
def test_rows_are_cut_where_they_end_however_the_stream_is_read(data, found, chunk_bytes):
    """A chunk that ends inside a quote, a mark or a line end must not show in the rows."""
    assert frames(data, chunk_bytes=chunk_bytes) == found


@pytest.mark.parametrize(
    ("code", "data"),
    [
        ("row-header-missing", b""),
        ("row-header-missing", b"\n\r\n\n"),
        ("row-header-missing", b"\xef\xbb\xbf"),
        ("row-encoding", "a,b\n1,2\n".encode("utf-16")),
        ("row-encoding", "a,b\n1,2\n".encode("utf-16-le")),
        ("row-encoding", "a,b\n1,2\n".encode("utf-16-be")),
        ("row-encoding", b"\xfe\xff" + "a,b\n1,2\n".encode("utf-16-be")),
        ("row-encoding", "a,b\n1,2\n".encode("utf-32")),
        ("row-encoding", b"\xff\xfe"),
        ("row-encoding", bytes(200)),
        ("row-not-utf8", "größe\n1\n".encode("latin-1")),
        ("row-unclosed-quote", b'"a,b\n1,2\n'),
        ("row-too-long", b"a" * (ROW_BYTES_MAX + 1) + b"\n1\n"),
    ],
)
def test_a_file_whose_header_cannot_be_read_is_refused_whole(code, data):
    """Rows under a header that nobody read would be given to columns by guess."""
    with pytest.raises(RowRefused) as caught:
        frames(data)
    assert caught.value.code == code
    assert caught.value.hint


def test_a_row_of_the_largest_size_passes_and_one_byte_more_does_not():
    """The limit must be where it says it is, line ends not counted."""
    largest = b"x" * ROW_BYTES_MAX
    assert frames(b"a\n" + largest + b"\r\n2\n") == [(2, largest.decode()), (3, "2")]
    assert frames(b"a\n" + largest + b"x\n2\n") == [(2, "row-too-long"), (3, "2")]
    assert frames(b"a\n" + largest + b"x") == [(2, "row-too-long")]


def test_a_quoted_row_may_have_so_many_lines_and_no_more():
    """A quote that nobody closes would otherwise take the rest of the file."""
    allowed = b'"' + b"\n" * (ROW_LINES_MAX - 1) + b'"'
    assert frames(b"a\n" + allowed + b"\n2\n") == [(2, allowed.decode()), (2 + ROW_LINES_MAX, "2")]
    found = frames(b'a\n"x\n' + b"1\n" * ROW_LINES_MAX + b'2"\n')
    assert found[0] == (2, "row-unclosed-quote")
    assert [body for _, body in found[1:]] == ["1"] * ROW_LINES_MAX + ['2"']


def test_a_quoted_row_of_too_many_bytes_gives_its_other_lines_back():
    """Lines are not long by themselves: only the quote made one row of them."""
    line = b"y" * 30_000
    found = frames(b'a\n"x\n' + b"\n".join([line] * 3) + b'\n"z"\n')
    assert found == [(2, "row-unclosed-quote"), *((place, line.decode()) for place in (3, 4, 5)), (6, '"z"')]


def test_a_long_line_inside_a_quote_is_refused_for_itself():
    """The quote before it and the line itself are two faults, and the row after them is none."""
    found = frames(b'a\n"x\n' + b"y" * (ROW_BYTES_MAX + 1) + b"\n3\n")
    assert found == [(2, "row-unclosed-quote"), (3, "row-too-long"), (4, "3")]


class Endless:
    """A stream that gives a header and then one line of so many bytes, without ever having them in memory."""

    def __init__(self, size, mark):
        self.start, self.size, self.mark = b"a\n", size, mark

    def read(self, count):
        """Give the next bytes, as a pipe does: at most ``count``."""
        if self.start:
            start, self.start = self.start, b""
            return start
        count = min(count, self.size)
        self.size -= count
        return self.mark * count


@pytest.mark.parametrize("mark", [b"x", b'"', b",", b"\r"])
def test_a_row_of_ten_megabytes_is_refused_in_bounded_memory(mark):
    """One row must not be able to take the machine's memory."""
    tracemalloc.start()
    try:
        found = list(read_rows(Endless(10_000_000, mark)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [each.code for each in found] == ["row-too-long"]
    assert peak < MEMORY_BYTES_MAX


def test_rows_are_given_while_the_stream_still_runs():
    """A pipe that never ends must be decided as it comes."""
    rows = read_rows(Endless(1 << 60, b"1\n"))
    assert next(rows).body == "1"
    rows.close()


def test_a_stream_that_fails_is_the_hosts_trouble():
    """A disk error taken for the end of the file would lose rows without a word."""

    class Failing:
        def read(self, count):
            raise OSError(5, "Input/output error")

    with pytest.raises(Unavailable):
        list(read_rows(Failing()))


def test_rows_that_python_writes_come_back_as_they_were():
    """Python's csv module writes what people's tools write; cutting it wrongly would shift rows."""
    dice = random.Random(4180)
    marks = ['"', '""', ",", "\n", "\r\n", "x", "é", " ", "1", "", '",', ',"']
    written = io.StringIO(newline="")
    writer = csv.writer(written, lineterminator="\n")
    table = [["".join(dice.choices(marks, k=dice.randrange(6))) for _ in range(4)] for _ in range(600)]
    writer.writerow(["a", "b", "c", "d"])
    writer.writerows(table)
    rows = list(read_rows(io.BytesIO(written.getvalue().encode()), chunk_bytes=257))
    assert [next(csv.reader(io.StringIO(row.body, newline=""))) for row in rows] == table


def test_damaged_files_lose_no_line_to_another():
    """Every line of a damaged file is in a row or in a refusal: none is swallowed, none comes twice."""
    dice = random.Random(22)
    for _ in range(300):
        lines = ["".join(dice.choices('",ab1', k=dice.randrange(1, 9))) for _ in range(dice.randrange(1, 80))]
        covered = []
        for each in read_rows(io.BytesIO("\n".join(["h", *lines]).encode()), chunk_bytes=dice.choice((1, 7, 4096))):
            if isinstance(each, Row):
                assert not ends_quoted(each.body.replace("\n", " ").encode(), is_quoted=False)
                covered += range(each.line, each.line + each.body.count("\n") + 1)
            else:
                covered.append(int(each.message.split()[1]))
        assert covered == list(range(2, len(lines) + 2))


def test_a_row_is_given_when_it_has_come_through_a_pipe():
    """Wrong if whoever types rows into a pipe had to fill a chunk before the first answer."""
    reading, writing = os.pipe()
    with open(writing, "wb", buffering=0) as sender, open(reading, "rb") as receiver:  # noqa: PTH123 - these are handles
        sender.write(b"a,b\n1,2\n3")
        rows = read_rows(receiver)
        assert next(rows).body == "1,2"
