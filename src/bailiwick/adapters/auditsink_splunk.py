"""A sink for Splunk's HTTP Event Collector: events in batches, and the indexer's acknowledgement where it is on.

With acknowledgement on, an answer of 200 says only that the batch was received; it is delivered when the indexer has
said so for its ``ackId``, and the cursor stays where it is until then.
Source: Splunk, "Format events for HTTP Event Collector" and "About HTTP Event Collector Indexer Acknowledgment".
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Sequence

from bailiwick.adapters.auditsink_http import Answer, HttpPoster, check_answer
from bailiwick.canonical import time_ns
from bailiwick.errors import SinkRefused, SinkUnavailable
from bailiwick.model import AuditEvent
from bailiwick.ports import Entropy

EVENTS = "/services/collector/event"
ACKNOWLEDGEMENTS = "/services/collector/ack"
SOURCETYPE = "bailiwick:ocsf"
ABOUT_THE_EVENT = frozenset({6, 12, 13, 15})
"""HEC's codes for events that it cannot take: invalid format, no event, blank event, bad indexed fields."""
ACK_FIRST_S, ACK_MAX_S = 0.05, 2.0
"""Waits between two questions after an acknowledgement, in seconds: the first, and the longest."""


class SplunkAuditSink:
    """See ``ports.AuditSink``."""

    records_max = 1_000
    bytes_max = 1 << 20

    def __init__(
        self,
        poster: HttpPoster,
        token: str,
        *,
        entropy: Entropy,
        pause: Callable[[float], object],
        index: str | None = None,
        is_ack_required: bool = False,
        ack_timeout_s: int = 60,
    ) -> None:
        """Post to a collector.

        Args:
            poster: Knows its URL.
            token: HEC token.
            entropy: Gives the channel that acknowledgements are kept by.
            pause: Waits so many seconds.
            index: Which index the events go to; None for the token's own.
            is_ack_required: Take a collector without acknowledgement for one that is set up wrongly.
            ack_timeout_s: How long to ask for an acknowledgement, in seconds.
        """
        self._poster = poster
        self._pause = pause
        self._index = index
        self._is_ack_required = is_ack_required
        self._ack_timeout_s = ack_timeout_s
        self._headers = {
            "Authorization": f"Splunk {token}",
            "Content-Type": "application/json",
            "X-Splunk-Request-Channel": str(uuid.UUID(bytes=entropy.take(16), version=4)),
        }

    def deliver(self, events: Sequence[AuditEvent]) -> str:
        """Post events, and wait for their acknowledgement where the collector gives one."""
        body = b"".join(self._envelope(event) for event in events)
        answer = self._post(EVENTS, body)
        document = answer.document()
        if not isinstance(document, dict) or document.get("code") != 0:
            raise SinkUnavailable(
                f"the collector answered 200 without success: {answer.text()}",
                hint="see whether the URL is the one of HTTP Event Collector",
                code="sink-answer",
            )
        ack_id = document.get("ackId")
        if type(ack_id) is int:
            self._await(ack_id)
        elif self._is_ack_required:
            raise SinkUnavailable(
                "the collector gives no acknowledgement for this token",
                hint="turn on indexer acknowledgement for the token, or take out require_ack",
                code="sink-denied",
            )
        return ""

    def close(self) -> None:
        """Close the connection."""
        self._poster.close()

    def _envelope(self, event: AuditEvent) -> bytes:
        """Wrap an event. ``fields`` are indexed: what a duplicate is known by, and a proof asked with."""
        seconds, nanoseconds = _moment(event)
        head = {
            "host": event.record.node_id,
            "source": event.origin,
            "sourcetype": SOURCETYPE,
            "fields": {
                "bailiwick_key": event.key,
                "bailiwick_index": str(event.record.index),
                "bailiwick_leaf": event.leaf,
            },
            **({} if self._index is None else {"index": self._index}),
        }
        text = json.dumps(head, separators=(",", ":")).encode()
        return b'{"time":%d.%03d,%b,"event":%b}' % (seconds, nanoseconds // 1_000_000, text[1:-1], event.body)

    def _post(self, path: str, body: bytes) -> Answer:
        answer = self._poster.post(self._poster.path + path, body, self._headers)
        if answer.status == 400:
            document = answer.document()
            code = document.get("code") if isinstance(document, dict) else None
            said = f"the collector answered 400: {answer.text()}"
            if code in ABOUT_THE_EVENT:
                raise SinkRefused(said, hint="bailiwick sinks status names the record; mend the receiver, or skip it")
            raise SinkUnavailable(said, hint="mend the token or its index in Splunk", code="sink-denied")
        check_answer(answer, "the collector")
        return answer

    def _await(self, ack_id: int) -> None:
        """Ask until the indexer has acknowledged.

        Raises:
            SinkUnavailable: it did not in time (``sink-timeout``); the batch is sent again.
        """
        waited, wait_s = 0.0, ACK_FIRST_S
        question = json.dumps({"acks": [ack_id]}).encode()
        while True:
            document = self._post(ACKNOWLEDGEMENTS, question).document()
            acks = document.get("acks") if isinstance(document, dict) else None
            if isinstance(acks, dict) and acks.get(str(ack_id)) is True:
                return
            if waited >= self._ack_timeout_s:
                raise SinkUnavailable(
                    f"the indexer did not acknowledge within {self._ack_timeout_s} seconds",
                    hint="see how the indexers are; it is tried again by itself",
                    code="sink-timeout",
                )
            self._pause(wait_s)
            waited += wait_s
            wait_s = min(wait_s * 2, ACK_MAX_S)


def _moment(event: AuditEvent) -> tuple[int, int]:
    """Give the event's time as seconds since 1970 and nanoseconds."""
    return divmod(time_ns(event.record.timestamp), 1_000_000_000)
