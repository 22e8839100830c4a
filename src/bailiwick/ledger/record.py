"""The bytes of a record: one line of canonical JSON that is hashed, chained, stored and never written again.

    {"actor_id":…,"actor_role":…,"detail":{…},"entry_id":N,"event_type":…,"node_id":…,"prev_hash":…,"resource":…,
     "timestamp":…}

Fields are sorted; checkpoint records have ``signature`` before ``timestamp``. ``prev_hash`` is the SHA-256 of the bytes
of the record before, in hexadecimal, 64 zeros in the first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, NoReturn

import msgspec

from bailiwick.canonical import canonical_bytes
from bailiwick.errors import LedgerBroken, RecordRefused, Verdict
from bailiwick.model import Actor, Draft, JsonValue, Record

RECORD_BYTES_MAX = 65_535
"""Largest record, in bytes: entry bundles give its length two bytes."""
FIRST_PREV_HASH = "0" * 64
FIRST_TIMESTAMP = "1970-01-01T00:00:00.000000000Z"

GENESIS = "ledger.genesis"
CHECKPOINT = "ledger.checkpoint"
RECOVERED = "ledger.recovered"
CLOCK_REGRESSION = "clock.regression"
RESERVED = frozenset({CLOCK_REGRESSION, "hold.set", "hold.released", "retention.set"})
RESERVED_PREFIX = "ledger."

GROUP_MARK = "~group"
"""In the ``detail`` of the first record of a group: how many records it has, that one counted. All are kept or none."""
KEY_MARK = "~key"
"""In the ``detail`` of a record, or of the first of a group: what its caller will know it by."""
MARK_PREFIX = "~"
"""What the names of such marks begin with; no draft may have one."""

WORD_CHARACTERS_MAX = 200
"""Longest actor id, role, node id or event type, in characters."""
RESOURCE_CHARACTERS_MAX = 500
"""Longest resource, in characters."""

# No space, quote or backslash: such text stands in JSON as it is, and nothing that a person typed looks like it.
_WORD = re.compile(rf"[!#-\[\]-~]{{1,{WORD_CHARACTERS_MAX}}}").fullmatch
_RESOURCE = re.compile(rf"[!#-\[\]-~]{{1,{RESOURCE_CHARACTERS_MAX}}}").fullmatch
_TIME = re.compile(
    r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{9}Z"
).fullmatch
_EVENT_TYPE = re.compile(r"[a-z][a-z0-9_-]{0,60}(?:\.[a-z][a-z0-9_-]{0,60}){1,2}").fullmatch

# Half the time of the constructor that ``NamedTuple`` makes, which every record would pay.
_new_tuple = tuple.__new__
_MARK_BYTE = MARK_PREFIX.encode()
_MARK_BYTES = f'"{MARK_PREFIX}'.encode()
_PLACE_BYTES = len(FIRST_PREV_HASH) + len(FIRST_TIMESTAMP) + len('"}') + 16


class Admitted(NamedTuple):
    """A draft that was checked, in the pieces between which its place is written."""

    head: bytes
    middle: bytes
    end: bytes
    size: int
    """The most that the record can take, in bytes."""

    def seal(self, index: int, prev_hash: bytes, timestamp: bytes) -> bytes:
        """Give the record's bytes at its place. ``prev_hash``: 64 hexadecimal digits."""
        head, middle, end, _ = self
        return b"".join((head, b"%d" % index, middle, prev_hash, end, timestamp, b'"}'))


def admit(
    draft: Draft,
    node_id: str,
    *,
    signature: str | None = None,
    is_own: bool = False,
    marks: Mapping[str, JsonValue] | None = None,
) -> Admitted:
    """Check a draft and encode what does not depend on its place.

    Args:
        draft: What to record.
        node_id: Which node records it.
        signature: Base64, on checkpoint records only.
        is_own: The ledger records something about itself, under a type that is kept for that.
        marks: What the ledger adds to the detail.

    Raises:
        RecordRefused: outside the profile of canonical JSON (``profile-*``), too large (``record-too-large``), a word
            of another form (``record-word``), or a type or name kept for the ledger itself (``record-reserved``).
    """
    resource, actor, detail_in = draft.resource, draft.actor, draft.detail
    if not _RESOURCE(resource):
        _refuse_word("resource", resource, RESOURCE_CHARACTERS_MAX)
    detail = canonical_bytes(detail_in if type(detail_in) is dict else dict(detail_in))
    # One byte is looked for several times faster than two, and it is seldom there.
    if _MARK_BYTE in detail and _MARK_BYTES in detail:
        _check_names(draft)
    if marks:
        detail = canonical_bytes({**detail_in, **marks})
    sealed_by = "" if signature is None else f'","signature":"{signature}'
    actor_part, middle = _word_parts(actor.id, actor.role, draft.event_type, node_id, is_own)
    head = actor_part + detail + b',"entry_id":'
    end = f'","resource":"{resource}{sealed_by}","timestamp":"'.encode()
    size = len(head) + len(middle) + len(end) + _PLACE_BYTES
    if size > RECORD_BYTES_MAX:
        raise RecordRefused(
            f"a record of type {draft.event_type} would take up to {size} bytes; at most {RECORD_BYTES_MAX}",
            hint="keep large values as blobs and record their digests",
            code="record-too-large",
        )
    return _new_tuple(Admitted, (head, middle, end, size))


def check_key(key: str) -> str:
    """Give a record's key back if it can stand in a record.

    Raises:
        RecordRefused: it has another form (``record-word``).
    """
    if not _WORD(key):
        _refuse_word("key", key, WORD_CHARACTERS_MAX)
    return key


def _check_names(draft: Draft) -> None:
    names = [name for name in draft.detail if name.startswith(MARK_PREFIX)]
    if names:
        raise RecordRefused(
            f"the detail of a {draft.event_type} has the name {names[0][:80]!r}; {MARK_PREFIX} begins the ledger's own",
            hint="use another name",
            code="record-reserved",
        )


@lru_cache(maxsize=256)
def _word_parts(actor_id: str, role: str, event_type: str, node_id: str, is_own: bool) -> tuple[bytes, bytes]:
    """Give what actor, type and node add to a record; the same few come again and again."""
    return _actor_part(actor_id, role), _event_part(event_type, node_id, is_own)


def _actor_part(actor_id: str, role: str) -> bytes:
    for name, word in (("actor.id", actor_id), ("actor.role", role)):
        if not _WORD(word):
            _refuse_word(name, word, WORD_CHARACTERS_MAX)
    return f'{{"actor_id":"{actor_id}","actor_role":"{role}","detail":'.encode()


def _event_part(event_type: str, node_id: str, is_own: bool) -> bytes:
    if not _EVENT_TYPE(event_type):
        raise RecordRefused(
            f"{event_type[:80]!r} is not a type of event",
            hint="use two or three lower-case words with dots between, such as decision.sealed",
            code="record-word",
        )
    if not is_own and (event_type.startswith(RESERVED_PREFIX) or event_type in RESERVED):
        raise RecordRefused(
            f"{event_type} is a type that only the ledger records", hint="use another prefix", code="record-reserved"
        )
    check_node_id(node_id)
    return f',"event_type":"{event_type}","node_id":"{node_id}","prev_hash":"'.encode()


def check_node_id(node_id: str) -> str:
    """Give a node's id back if it can stand in a record.

    Raises:
        RecordRefused: it has another form (``record-word``).
    """
    if not _WORD(node_id):
        _refuse_word("node_id", node_id, WORD_CHARACTERS_MAX)
    return node_id


class StoredRecord(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, gc=False):
    """The fields of a record as they are stored."""

    actor_id: str
    actor_role: str
    detail: dict[str, Any]
    entry_id: int
    event_type: str
    node_id: str
    prev_hash: str
    resource: str
    signature: str | msgspec.UnsetType = msgspec.UNSET
    timestamp: str


def _refuse_float(text: str) -> NoReturn:
    raise ValueError(f"a number with a fraction or exponent, {text[:40]}")


# The fields of the struct are in order already; only the members of a detail have to be sorted.
_ENCODER = msgspec.json.Encoder(order="deterministic")
_DECODER = msgspec.json.Decoder(StoredRecord, float_hook=_refuse_float)
_encode = _ENCODER.encode
_decode = _DECODER.decode


def decode(raw: bytes, same_time: str | None = None) -> StoredRecord:
    """Read the fields of a stored record, which must be exactly the bytes that they encode to.

    Args:
        raw: The stored bytes.
        same_time: A timestamp that was read before; the records of one group share theirs, and it is checked once.

    Raises:
        ValueError: not JSON, not these fields, or not canonical: white space, order, escapes, duplicate keys, floats.

    Cost: about 1.5 µs.
    """
    if len(raw) > RECORD_BYTES_MAX:
        raise ValueError(f"{len(raw)} bytes; at most {RECORD_BYTES_MAX}")
    try:
        stored = _decode(raw)
        encoded = _encode(stored)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if encoded != raw:
        raise ValueError("its bytes are not canonical JSON")
    if stored.timestamp != same_time and not _TIME(stored.timestamp):
        raise ValueError(f"{stored.timestamp[:40]!r} is not an RFC 3339 UTC time with nine digits")
    return stored


def decode_many(records: Sequence[bytes]) -> list[StoredRecord] | None:
    """Read the fields of many stored records at once, or give None where one of them is not what ``decode`` accepts.

    ``decode`` then says which and why. Timestamps are left to the caller.

    Cost: about 1.5 µs a record, without a call for each.
    """
    if not records or max(map(len, records)) > RECORD_BYTES_MAX:
        return None
    lines = b"\n".join(records) + b"\n"
    try:
        stored = _DECODER.decode_lines(lines)
    except (ValueError, RecursionError):
        return None
    # Canonical JSON holds no newline byte, so equal lines end where the records do: none can lend bytes to another.
    return stored if len(stored) == len(records) and _ENCODER.encode_lines(stored) == lines else None


def is_time(text: str) -> bool:
    """Say whether a text is an RFC 3339 UTC time with nine digits, as records have it."""
    return _TIME(text) is not None


def read_record(raw: bytes, index: int) -> Record:
    """Read a stored record.

    Raises:
        LedgerBroken: the bytes are not a record (verdict corrupt), or not this one (verdict altered).
    """
    try:
        stored = decode(raw)
    except ValueError as error:
        raise LedgerBroken(
            Verdict.CORRUPT, f"record {index} is not a record: {error}", hint=BROKEN_HINT, index=index
        ) from error
    if stored.entry_id != index:
        raise LedgerBroken(
            Verdict.ALTERED, f"record {index} says that it is record {stored.entry_id}", hint=BROKEN_HINT, index=index
        )
    signature = None if stored.signature is msgspec.UNSET else str(stored.signature)
    return Record(
        index=index,
        raw=raw,
        event_type=stored.event_type,
        resource=stored.resource,
        detail=_without_marks(stored.detail),
        actor=Actor(id=stored.actor_id, role=stored.actor_role),
        node_id=stored.node_id,
        timestamp=stored.timestamp,
        prev_hash=stored.prev_hash,
        signature=signature,
    )


def _without_marks(detail: dict[str, Any]) -> dict[str, Any]:
    """Give the detail as it was asked for; the bytes beside it have the ledger's own marks too."""
    if GROUP_MARK in detail or KEY_MARK in detail:
        return {name: value for name, value in detail.items() if not name.startswith(MARK_PREFIX)}
    return detail


BROKEN_HINT = "bailiwick ledger verify says what else is wrong; restore the ledger's folder from a copy"


def _refuse_word(name: str, word: str, characters_max: int) -> NoReturn:
    raise RecordRefused(
        f"{name} is {word[:80]!r}, which a record cannot hold",
        hint=f"use 1 to {characters_max} printable ASCII characters without spaces, quotes and backslashes",
        code="record-word",
    )
