"""Entries that modules leave for auditors, and the ledger, read by modules within what was granted.

An entry stands in the transcript of the call, which its record vouches for by digest; the record says how many there
are. Text of a module never enters the ledger itself: that is kept for years, and cannot be erased.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from bailiwick.engine import HostRefused
from bailiwick.errors import DocumentRefused
from bailiwick.model import JsonValue, Record
from bailiwick.ports import CallContext
from bailiwick.schema import parse_document
from bailiwick.supervisor.services.asking import UNREADABLE, check_members, is_named, member, names
from bailiwick.supervisor.values import encode_value

DETAIL_BYTES_MAX = 16_384
"""Longest detail of an entry, in bytes of JSON text."""
PAGE_RECORDS_MAX = 1_000
"""Most records of one page."""
LOOKED_AT_MAX = 10_000
"""Most records that one question looks at, so that a narrow scope does not make it endless."""

_EVENT_TYPE = re.compile(r"[a-z][a-z0-9_-]{0,60}(\.[a-z][a-z0-9_-]{0,60}){1,2}\Z")
_RESOURCE = re.compile(r"[!#-\[\]-~]{1,500}\Z")


class AuditLog:
    """Leaves entries. Its scope may list ``event_types``; without it, any."""

    name = "bailiwick:audit/log@0.1.0"
    functions = frozenset({"record-event"})

    def check_scope(self, scope: JsonValue) -> None:
        """Refuse what is no list of types."""
        if check_members(scope, {"event_types": "types of entries"}, self.name):
            assert isinstance(scope, dict)
            names(scope, "event_types", self.name)

    def call(self, context: CallContext, function: str, input: JsonValue) -> JsonValue:  # noqa: A002, ARG002 the port's own words
        """Take one entry; being in the transcript, under the record of the call, is what keeps it."""
        entry = member(input, "entry", dict)
        event_type, resource = member(entry, "event-type", str), member(entry, "resource", str)
        detail = member(entry, "detail", str).encode("utf-8", "replace")
        allowed: Any = context.scope.get("event_types", ["*"])
        if not is_named(event_type, allowed):
            raise HostRefused("denied", "entries of that type were not granted")
        if not _EVENT_TYPE.match(event_type) or not _RESOURCE.match(resource):
            raise HostRefused(UNREADABLE, "event-type is dotted lower case, resource printable ASCII without spaces")
        if len(detail) > DETAIL_BYTES_MAX:
            raise HostRefused("too-large", f"detail has at most {DETAIL_BYTES_MAX} bytes")
        try:
            parse_document(detail)
        except DocumentRefused as error:
            raise HostRefused(UNREADABLE, "detail is JSON text") from error
        return None


class Readable(Protocol):
    """What a module can see of a ledger, or of the first records of one."""

    def size(self) -> int:
        """Give the number of records."""
        ...

    def records(self, start: int = 0, stop: int | None = None) -> Iterator[Record]:
        """Give records in order."""
        ...


class AuditRead:
    """Gives records from a cursor on. Its scope lists ``event_types`` and ``resources``; both are needed."""

    name = "bailiwick:audit/read@0.1.0"
    functions = frozenset({"records"})

    def __init__(self, open_ledger: Callable[[str], Readable]) -> None:
        self._open_ledger = open_ledger

    def check_scope(self, scope: JsonValue) -> None:
        """Refuse what does not say which records."""
        allowed = check_members(scope, {"event_types": "types of records", "resources": "resources"}, self.name)
        names(allowed, "event_types", self.name)
        names(allowed, "resources", self.name)

    def call(self, context: CallContext, function: str, input: JsonValue) -> JsonValue:  # noqa: A002, ARG002 the port's own words
        """Give a page of the tenant's own ledger: what the scope does not name is passed over in silence."""
        start, limit = member(input, "start", int), member(input, "limit", int)
        if start < 0 or not 1 <= limit <= PAGE_RECORDS_MAX:
            raise HostRefused(UNREADABLE, f"start counts from 0, and limit is 1 to {PAGE_RECORDS_MAX}")
        ledger = self._open_ledger(context.tenant)
        size = ledger.size()
        found: list[JsonValue] = []
        upto = start
        for record in ledger.records(start, min(size, start + LOOKED_AT_MAX)):
            upto = record.index + 1
            if _is_in_scope(record, context.scope):
                found.append(_seen(record))
                if len(found) == limit:
                    break
        upto = upto if found else min(size, start + LOOKED_AT_MAX)
        return {"records": found, "next": max(upto, start), "at-end": upto >= size}


def _is_in_scope(record: Record, scope: Any) -> bool:
    return is_named(record.event_type, scope["event_types"]) and is_named(record.resource, scope["resources"])


def _seen(record: Record) -> JsonValue:
    return {
        "index": record.index,
        "event-type": record.event_type,
        "resource": record.resource,
        "timestamp": record.timestamp,
        "actor": record.actor.id,
        "detail": encode_value(dict(record.detail)).decode(),
    }
