"""A sink for OpenTelemetry: log records over OTLP/HTTP in its JSON encoding, to a collector or whatever speaks it.

Source: OTLP specification 1.9.0, "OTLP/HTTP" and "JSON Protobuf Encoding"; ``logs.proto``. 64-bit integers are decimal
texts, enumerations integers, keys lowerCamelCase.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from bailiwick.adapters.auditsink_http import HttpPoster, check_answer
from bailiwick.canonical import time_ns
from bailiwick.errors import SinkRefused, SinkUnavailable
from bailiwick.model import AuditEvent

PATH = "/v1/logs"
INFO, WARN, ERROR = 9, 13, 17
SEVERITY_OF = {3: (WARN, "WARN"), 4: (ERROR, "ERROR")}


class OtlpAuditSink:
    """See ``ports.AuditSink``. The body of a log record is the OCSF event as text."""

    records_max = 1_000
    bytes_max = 2 << 20

    def __init__(self, poster: HttpPoster, *, headers: dict[str, str] | None = None) -> None:
        """Post to a receiver of OTLP, with further headers, such as one with a token."""
        self._poster = poster
        self._path = poster.path or PATH
        self._headers = {**(headers or {}), "Content-Type": "application/json"}

    def deliver(self, events: Sequence[AuditEvent]) -> str:
        """Post events as one export request, and give the receiver's warning where it has one.

        Raises:
            SinkRefused: it rejected some of them. OTLP names how many and not which; the batch is then sent in smaller
                ones, so that the record is found and nothing is lost.
        """
        answer = self._poster.post(self._path, request_bytes(events), self._headers)
        check_answer(answer, "the receiver")
        if answer.status != 200:
            raise SinkUnavailable(
                f"the receiver answered {answer.status}, not 200",
                hint="see whether the URL is the one of an OTLP receiver",
                code="sink-answer",
            )
        document = answer.document()
        if not isinstance(document, dict):
            raise SinkUnavailable(
                "the receiver answered 200 with something else than an OTLP response",
                hint="see whether the URL is the one of an OTLP receiver that takes JSON",
                code="sink-answer",
            )
        return _warning(document.get("partialSuccess"))

    def close(self) -> None:
        """Close the connection."""
        self._poster.close()


def request_bytes(events: Sequence[AuditEvent]) -> bytes:
    """Write events as an ``ExportLogsServiceRequest``."""
    first = events[0]
    resource = [_text("service.name", "bailiwick"), _text("bailiwick.tenant", first.tenant)]
    request = {
        "resourceLogs": [
            {
                "resource": {"attributes": resource},
                "scopeLogs": [{"scope": {"name": "bailiwick.ledger"}, "logRecords": [_entry(each) for each in events]}],
            }
        ]
    }
    return json.dumps(request, separators=(",", ":"), ensure_ascii=False).encode()


def _entry(event: AuditEvent) -> dict[str, Any]:
    record = event.record
    number, word = SEVERITY_OF.get(event.severity, (INFO, "INFO"))
    at_ns = str(time_ns(record.timestamp))
    return {
        "timeUnixNano": at_ns,
        "observedTimeUnixNano": at_ns,
        "severityNumber": number,
        "severityText": word,
        "eventName": record.event_type,
        "body": {"stringValue": event.body.decode()},
        "attributes": [
            _text("bailiwick.key", event.key),
            _text("bailiwick.origin", event.origin),
            {"key": "bailiwick.index", "value": {"intValue": str(record.index)}},
            _text("bailiwick.leaf", event.leaf),
            _text("bailiwick.node", record.node_id),
        ],
    }


def _text(key: str, value: str) -> dict[str, Any]:
    return {"key": key, "value": {"stringValue": value}}


def _warning(partial: Any) -> str:
    """Give what the receiver warns of; refuse where it took only a part."""
    if not partial:
        return ""
    message = str(partial.get("errorMessage", "")) if isinstance(partial, dict) else ""
    rejected = partial.get("rejectedLogRecords", 0) if isinstance(partial, dict) else 0
    if str(rejected) not in {"0", ""}:
        raise SinkRefused(
            f"the receiver rejected {str(rejected)[:20]} log records: {message[:300]}",
            hint="bailiwick sinks status names the record; mend the receiver, or skip it",
        )
    return message
