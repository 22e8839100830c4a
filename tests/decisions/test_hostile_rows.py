"""Real rows, mutated by a seed, through the whole loop: each is decided or refused by a code; the ledger stays whole.

To repeat a failure: ``BAILIWICK_SEED=7 make test``.
"""

from __future__ import annotations

import io
import os
import random
from collections import Counter
from importlib.resources import files

from bailiwick.decisions import Decided, Refused, read_inputs
from bailiwick.errors import Verdict
from tests.decisions.conftest import LEGAL_DATE, Bench

SEED = int(os.environ.get("BAILIWICK_SEED", "1904"))
ROWS = 400
HUGE_BYTES = 10 << 20


def sample() -> list[bytes]:
    raw = (files("bailiwick") / "builtin" / "samples" / "osha-injuries.csv").read_bytes()
    return raw.splitlines()


def drop_field(row: bytes, dice: random.Random) -> bytes:
    fields = row.split(b",")
    del fields[dice.randrange(len(fields))]
    return b",".join(fields)


def add_field(row: bytes, dice: random.Random) -> bytes:
    fields = row.split(b",")
    fields.insert(dice.randrange(len(fields)), b"9")
    return b",".join(fields)


def replace_field(row: bytes, dice: random.Random) -> bytes:
    fields = row.split(b",")
    fields[dice.randrange(len(fields))] = dice.choice(
        [b"", b"0", b"-1", b"99999999999999999999", b"1e3", b" 1", b"NaN", b"\xc3\xa9", b"\xe2\x80\xa8", b"x" * 5_000]
    )
    return b",".join(fields)


def quote_across_lines(row: bytes, dice: random.Random) -> bytes:
    fields = row.split(b",")
    place = dice.randrange(len(fields))
    fields[place] = b'"' + fields[place] + dice.choice([b"\n", b'""', b"\r\n,", b""]) + dice.choice([b'"', b""])
    return b",".join(fields)


def other_encoding(row: bytes, dice: random.Random) -> bytes:
    return row + dice.choice([b",\xff\xfe", b"\xe9", "é".encode("utf-16-le"), b"\xed\xa0\x80"])


def put_byte(row: bytes, dice: random.Random) -> bytes:
    place = dice.randrange(len(row))
    return row[:place] + bytes([dice.choice([0, 7, 27, 34, 44, 127, dice.randrange(256)])]) + row[place + 1 :]


MUTATIONS = [drop_field, add_field, replace_field, quote_across_lines, other_encoding, put_byte]


def mutated(dice: random.Random) -> bytes:
    header, *rows = sample()
    out = [header]
    for _ in range(ROWS):
        row = dice.choice(rows)
        for _ in range(dice.randint(0, 3)):
            row = dice.choice(MUTATIONS)(row, dice)
        out.append(row)
    return b"\n".join(out) + b"\n"


def test_mutated_rows_are_decided_or_refused_by_a_code(bench: Bench):
    """Wrong if a hostile row could crash the host, be decided by accident of its form, or harm the ledger."""
    stream = io.BytesIO(mutated(random.Random(SEED)))
    answers = list(bench.loop.run(read_inputs(stream, "csv"), legal_date=LEGAL_DATE))
    codes = Counter(answer.error.code for answer in answers if isinstance(answer, Refused))
    decided = [answer for answer in answers if isinstance(answer, Decided)]
    assert decided, f"BAILIWICK_SEED={SEED}: nothing was decided"
    assert len(codes) >= 5, f"BAILIWICK_SEED={SEED}: {codes}"
    assert all(code.startswith(("row-", "schema-", "module-")) for code in codes), f"BAILIWICK_SEED={SEED}: {codes}"
    assert bench.ledger.verify().verdict is Verdict.OK
    assert bench.replayer.run(bench.ledger.records()).differing == ()


def test_a_row_of_ten_megabytes_is_refused_and_the_next_is_decided(bench: Bench):
    """Wrong if one huge row could stop the file, or the memory of the host."""
    header, first, second, *_ = sample()
    raw = b"\n".join([header, first, b"9" * HUGE_BYTES, second]) + b"\n"
    answers = list(bench.loop.run(read_inputs(io.BytesIO(raw), "csv"), legal_date=LEGAL_DATE))
    assert [type(answer) for answer in answers] == [Decided, Refused, Decided]
    assert answers[1].error.code == "row-too-long"


def test_a_stray_quote_swallows_no_row(bench: Bench):
    """Wrong if one forgotten quote made the rows behind it disappear."""
    header, first, second, third, *_ = sample()
    raw = b"\n".join([header, b'"' + first, second, third]) + b"\n"
    answers = list(bench.loop.run(read_inputs(io.BytesIO(raw), "csv"), legal_date=LEGAL_DATE))
    assert [type(answer) for answer in answers] == [Refused, Decided, Decided]
    assert answers[0].error.code == "row-unclosed-quote"
