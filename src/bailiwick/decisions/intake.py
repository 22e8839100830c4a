"""Step one: raw text becomes an observation, or is refused. What chance and the clock give is drawn before it, once.

Replay starts here too, with the salts and times of the stored blob instead of new ones.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec

from bailiwick.canonical import canonical_bytes, digest
from bailiwick.engine import Refusal, read_answer
from bailiwick.errors import InputRefused, RowRefused, UsageRefused
from bailiwick.model import JsonValue, ModuleRef, Observation, Run
from bailiwick.packs import Pack, check_date, facts_from
from bailiwick.schema import parse_document

OBSERVATION_FORMAT = "bailiwick-observation/1"
BODY_BYTES_MAX = 1 << 20
"""Largest raw input of one decision, in bytes."""

ReadRow = Callable[[bytes], tuple[Run, ModuleRef]]
"""Runs the pack's reader on one envelope and says which code did it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawInput:
    """One input as it came: its media (``csv`` or ``json``), its text, for CSV the header line, and where it stood.

    ``queued`` is the record that said that it waits, where it did.
    """

    media: str
    body: str
    header: str | None = None
    line: int | None = None
    queued: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What chance and the clock gave one decision: two salts (32 hexadecimal digits each) and the time."""

    salt: str
    evidence_salt: str
    decided_at: str


def intake(
    tenant: str, raw: RawInput, pack: Pack, *, legal_date: str | None, moment: Moment, read_row: ReadRow
) -> Observation:
    """Turn one raw input into an observation whose facts the pack's input schema accepts.

    Args:
        tenant: Whose observation this is.
        raw: At most ``BODY_BYTES_MAX`` bytes of text.
        pack: Names the reader of CSV rows, the input schema, where a legal date stands in the facts, and how facts are
            taken from documents of foreign contracts.
        legal_date: ``YYYY-MM-DD``; None takes the date that the pack's ``legal_date`` names in the facts.
        moment: Salts and time, drawn once.
        read_row: Runs the pack's reader module.

    Raises:
        InputRefused: the text, the row, a foreign document or the facts break their contract, or no legal date can be
            had.
        NotFound: the contract of a foreign document is an attachment that nobody supplied.
        ModuleFailed: the reader failed by its own doing.
        Unavailable: the reader was stopped by the wall clock.
    """
    _check_size(raw)
    facts, modules, fuel = _facts(raw, pack, read_row)
    pack.check_input(facts)
    question = question_of(raw)
    stored: dict[str, JsonValue] = {
        **question,
        "format": OBSERVATION_FORMAT,
        "salt": moment.salt,
        "evidence_salt": moment.evidence_salt,
        "decided_at": moment.decided_at,
        "legal_date": legal_date,
    }
    blob = canonical_bytes(stored)
    return Observation(
        tenant=tenant,
        blob=blob,
        digest=digest(blob),
        evidence_salt=moment.evidence_salt,
        unsalted=canonical_bytes(question),
        facts=facts,
        modules=modules,
        legal_date=_legal_date(legal_date, pack, facts),
        decided_at=moment.decided_at,
        fuel=fuel,
    )


def question_of(raw: RawInput) -> dict[str, JsonValue]:
    """Give what makes two inputs the same: media, header and text, and nothing of when or where they came."""
    return {"media": raw.media, "header": raw.header, "body": raw.body}


class _Stored(msgspec.Struct, kw_only=True, frozen=True):
    """An observation as it was kept: our own bytes, whose digest the record holds, so that they are not judged anew."""

    format: str
    media: str
    header: str | None
    body: str
    salt: str
    evidence_salt: str
    decided_at: str
    legal_date: str | None


_read_stored = msgspec.json.Decoder(_Stored).decode


def restore(blob: bytes) -> tuple[RawInput, str | None, Moment]:
    """Read an observation's blob back into what ``intake`` was given.

    Raises:
        InputRefused: the blob is not an observation of this format.
    """
    try:
        stored = _read_stored(blob)
    except msgspec.MsgspecError:
        stored = None
    if stored is None or stored.format != OBSERVATION_FORMAT:
        raise InputRefused(
            "the blob is not an observation of a known format",
            hint=f"this version reads {OBSERVATION_FORMAT}",
            code="observation-format",
        )
    raw = RawInput(media=stored.media, body=stored.body, header=stored.header)
    moment = Moment(salt=stored.salt, evidence_salt=stored.evidence_salt, decided_at=stored.decided_at)
    return raw, stored.legal_date, moment


def _check_size(raw: RawInput) -> None:
    size = len(raw.body) + len(raw.header or "")
    if size > BODY_BYTES_MAX:
        raise InputRefused(
            f"the input holds {size} characters; one decision takes at most {BODY_BYTES_MAX}",
            hint="send one observation at a time",
            code="input-too-long",
        )


def _facts(raw: RawInput, pack: Pack, read_row: ReadRow) -> tuple[dict[str, Any], tuple[ModuleRef, ...], int]:
    if raw.media == "csv":
        envelope = json.dumps({"header": raw.header, "row": raw.body}, ensure_ascii=False).encode()
        run, module = read_row(envelope)
        return whole_numbers(_answer(run.output)), (module,), run.fuel
    if raw.media == "json":
        given = _object(parse_document(raw.body.encode()))
        return whole_numbers(facts_from(pack.foreign, given) if pack.foreign else given), (), 0
    raise UsageRefused(f"inputs are csv or json, not {raw.media[:40]!r}", hint="see --format", code="media")


def _answer(output: bytes) -> dict[str, Any]:
    """Read what the reader answered: facts, or its refusal of the row."""
    answer = read_answer(output)
    if isinstance(answer, Refusal):
        raise RowRefused(
            answer.message,
            hint="mend the row; the reader's README says what each column may hold",
            code=answer.code,
        )
    return _object(answer)


def _object(document: Any) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise InputRefused(
            f"an input is a JSON object, not {type(document).__name__}",
            hint="wrap the facts in { }; for one object a line use --format jsonl",
            code="input-not-object",
        )
    return document


def whole_numbers(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Give facts in which every number is an integer; ``3.0`` is 3.

    Raises:
        InputRefused: a number with a fraction (code ``fact-fraction``).

    >>> whole_numbers({"hours": Decimal("3.0")})
    {'hours': 3}
    """
    return {key: _whole(value, f"/{key}") for key, value in facts.items()}


def _whole(value: Any, path: str) -> Any:
    if isinstance(value, Decimal):
        if value == value.to_integral_value():
            return int(value)
        raise InputRefused(
            f"{path} is {value}, and a legal quantity is a whole number of its unit",
            hint="send the quantity in a smaller unit: minutes for hours, cents for dollars",
            code="fact-fraction",
        )
    if isinstance(value, dict):
        return {key: _whole(item, f"{path}/{key}") for key, item in value.items()}
    if isinstance(value, list):
        return [_whole(item, f"{path}/{position}") for position, item in enumerate(value)]
    return value


def _legal_date(given: str | None, pack: Pack, facts: Mapping[str, Any]) -> str:
    found = given if given is not None else pack.legal_date_in(facts)
    if found is None:
        raise InputRefused(
            f"no legal date: the input does not say when it happened, and pack {pack.name} judges by date",
            hint="pass the date to judge by: --legal-date YYYY-MM-DD",
            code="legal-date-missing",
        )
    return check_date(found)
