"""A sink for Datadog's logs intake, version 2: compressed batches within its documented limits.

Source: Datadog API reference, "Send logs": 5 MB a request before compression, 1,000 entries, 1 MB an entry, 202 when
accepted. A log older than 18 hours is outside what the intake documents: a sink that comes late keeps the time of each
record in its body, whatever the intake makes of it.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence

from bailiwick.adapters.auditsink_http import HttpPoster, check_answer
from bailiwick.errors import SinkUnavailable
from bailiwick.model import AuditEvent

PATH = "/api/v2/logs"
REQUEST_BYTES_MAX = 5_000_000
STATUS_OF = {3: "warning", 4: "error"}


class DatadogAuditSink:
    """See ``ports.AuditSink``. The body stands under ``ocsf``, beside the attributes that Datadog keeps for itself."""

    records_max = 1_000
    bytes_max = 4_000_000
    """Leaves room for 1,000 envelopes within what one request may hold."""

    def __init__(self, poster: HttpPoster, key: str, *, service: str = "bailiwick") -> None:
        self._poster = poster
        self._service = service
        self._headers = {"DD-API-KEY": key, "Content-Type": "application/json", "Content-Encoding": "gzip"}

    def deliver(self, events: Sequence[AuditEvent]) -> str:
        """Post events as one array."""
        body = b"[" + b",".join(self._entry(event) for event in events) + b"]"
        assert len(body) <= REQUEST_BYTES_MAX, "the limits of a batch leave room for envelopes"
        # Level 1: records repeat themselves, and the time of the pump is dearer than the last per cent.
        answer = self._poster.post(self._poster.path + PATH, gzip.compress(body, 1, mtime=0), self._headers)
        check_answer(answer, "the intake")
        if answer.status != 202:
            raise SinkUnavailable(
                f"the intake answered {answer.status}, not 202",
                hint="see whether the URL is the one of the logs intake",
                code="sink-answer",
            )
        return ""

    def close(self) -> None:
        """Close the connection."""
        self._poster.close()

    def _entry(self, event: AuditEvent) -> bytes:
        record = event.record
        head = {
            "ddsource": "bailiwick",
            "ddtags": f"tenant:{event.tenant}",
            "service": self._service,
            "hostname": record.node_id,
            "message": f"{record.event_type} {record.resource}",
            "status": STATUS_OF.get(event.severity, "info"),
            "timestamp": record.timestamp,
            "bailiwick": {"key": event.key, "origin": event.origin, "index": record.index, "leaf": event.leaf},
        }
        return json.dumps(head, separators=(",", ":")).encode()[:-1] + b',"ocsf":' + event.body + b"}"
