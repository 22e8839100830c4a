"""A sink that prints each event as one line of JSON to a stream that it is handed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO

from bailiwick.errors import SinkUnavailable
from bailiwick.model import AuditEvent


class ConsoleAuditSink:
    """See ``ports.AuditSink``. A line is confirmed when the stream took it; whether anybody keeps it, nobody knows."""

    records_max = 1_000
    bytes_max = 1 << 20

    def __init__(self, stream: BinaryIO) -> None:
        """Print to a stream, which stays the caller's."""
        self._stream = stream

    def deliver(self, events: Sequence[AuditEvent]) -> str:
        """Print events, one a line, and flush.

        Raises:
            SinkUnavailable: the stream is closed, or its reader has gone (``sink-unwritable``).
        """
        try:
            self._stream.write(b"".join(event.body + b"\n" for event in events))
            self._stream.flush()
        except (OSError, ValueError) as error:
            raise SinkUnavailable(
                f"the console cannot be written: {error}",
                hint='give it a stream that somebody reads, or a file: kind = "file"',
                code="sink-unwritable",
            ) from error
        return ""

    def close(self) -> None:
        """Leave the stream open: it belongs to the program."""
