"""A sink for syslog over TLS: RFC 5424 messages, framed by counting octets, to a server whose certificate is verified.

    148 <109>1 2026-11-21T12:00:00.000000Z node-1 bailiwick - decision.sealed [bailiwick@32473 key="…" leaf="…"] {…}

Syslog has no acknowledgement. So a batch is a session: after the last message this side says that it is done
(``close_notify``), and waits until the server has closed too. A server that closes in order has read everything;
whether it kept it, syslog cannot say. Indexes have no gaps, so a receiver can see by itself what it lacks.
Source: RFC 5424; RFC 5425 sections 4.3 and 4.4; RFC 6587 section 3.4.1.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Sequence
from typing import Any

from bailiwick.adapters.auditsink_tls import tls_context
from bailiwick.adapters.tls import connect, within
from bailiwick.errors import SinkUnavailable, UsageRefused
from bailiwick.model import AuditEvent

PORT = 6514
TIMEOUT_S = 30
MESSAGE_BYTES_MIN, MESSAGE_BYTES_MAX = 2_048, 8_192
"""Size that every receiver must take, and that it should take (RFC 5425 section 4.3.1), in bytes."""
LOG_AUDIT = 13
"""Facility "log audit" (RFC 5424, table 1)."""
LEVELS = {1: 6, 2: 5, 3: 4, 4: 3}
"""OCSF's severity as syslog's: informational, notice, warning, error."""
ENTERPRISE = 32473
"""The number that is kept for examples (RFC 5612), until somebody sets one of their own."""
MESSAGE_ID_CHARACTERS_MAX = 32
HOSTNAME_CHARACTERS_MAX = 255
LEFT_OUT = ("raw_data", "raw_data_hash", "raw_data_size", "unmapped")


class SyslogAuditSink:
    """See ``ports.AuditSink``. One session a batch."""

    records_max = 1_000
    bytes_max = 2 << 20

    def __init__(
        self,
        host: str,
        port: int = PORT,
        *,
        ca_file: str | None = None,
        certificate_file: str | None = None,
        key_file: str | None = None,
        message_bytes_max: int = MESSAGE_BYTES_MAX,
        enterprise: int = ENTERPRISE,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        """Send to a server.

        Args:
            host: Its name, which its certificate must bear.
            port: 6514 where nobody chose another.
            ca_file: Certificates to trust in place of the system's.
            certificate_file: This node's own certificate, for servers that ask for one.
            key_file: The key of that certificate, where it is not in the same file.
            message_bytes_max: Largest message that the server takes, in bytes; what is larger is shortened.
            enterprise: Private enterprise number that the structured data is named under.
            timeout_s: A whole session takes at most so long.

        Raises:
            UsageRefused: certificates or key cannot be read (``sink-tls``), or the size is below 2,048.
        """
        if message_bytes_max < MESSAGE_BYTES_MIN:
            raise UsageRefused(
                f"messages of {message_bytes_max} bytes are too short to name their record",
                hint=f"every receiver takes {MESSAGE_BYTES_MIN}: message_bytes_max = {MESSAGE_BYTES_MAX}",
                code="sink-settings",
            )
        self._host = host
        self._port = port
        self._message_bytes_max = message_bytes_max
        self._enterprise = enterprise
        self._timeout_s = timeout_s
        self._tls = tls_context(ca_file)
        if certificate_file is not None:
            try:
                self._tls.load_cert_chain(certificate_file, key_file)
            except (OSError, ssl.SSLError) as error:
                raise UsageRefused(
                    f"the certificate {certificate_file} cannot be used: {error}",
                    hint="give PEM files: certificate_file, key_file",
                    code="sink-tls",
                ) from error

    def deliver(self, events: Sequence[AuditEvent]) -> str:
        """Send events in a session of their own, and wait until the server has read to its end."""
        messages = [message(event, self._message_bytes_max, self._enterprise) for event in events]
        shortened = sum(is_shortened for _, is_shortened in messages)
        try:
            self._send(b"".join(b"%d %b" % (len(each), each) for each, _ in messages))
        except ssl.SSLCertVerificationError as error:
            raise SinkUnavailable(
                f"the certificate of {self._host} is not trusted: {error.verify_message}",
                hint='name the server\'s authority: ca_file = "..."',
                code="sink-denied",
            ) from error
        except TimeoutError as error:
            raise SinkUnavailable(
                f"{self._host}:{self._port} did not take and close a session within {self._timeout_s:g} seconds",
                hint="see how the server is; it is tried again by itself",
                code="sink-timeout",
            ) from error
        except OSError as error:
            raise SinkUnavailable(
                f"{self._host}:{self._port} cannot be sent to: {error}",
                hint="see whether the server runs and speaks TLS; it is tried again by itself",
            ) from error
        return f"{shortened} messages were shortened to {self._message_bytes_max} bytes" if shortened else ""

    def close(self) -> None:
        """Do nothing: no session outlives its batch."""

    def _send(self, data: bytes) -> None:
        with connect(self._host, self._port, self._tls, self._timeout_s) as session:
            assert isinstance(session, ssl.SSLSocket)
            with within(session, self._timeout_s):
                session.sendall(data)
                _finish(session)


def message(event: AuditEvent, bytes_max: int, enterprise: int = ENTERPRISE) -> tuple[bytes, bool]:
    """Give an event as one RFC 5424 message, and whether it had to be shortened.

    A shortened message has ``truncated="1"`` and the size of the whole body in its structured data; its JSON is whole
    still, without the raw record and its detail, wherever that is enough.
    """
    body, is_shortened = event.body, False
    head = _head(event, enterprise, "")
    if len(head) + len(body) > bytes_max:
        is_shortened = True
        head = _head(event, enterprise, f' truncated="1" size="{len(body)}"')
        body = _short(body)[: max(0, bytes_max - len(head))]
    return head + body, is_shortened


def _head(event: AuditEvent, enterprise: int, more: str) -> bytes:
    record = event.record
    data = {
        "key": event.key,
        "tenant": event.tenant,
        "index": str(record.index),
        "leaf": event.leaf,
    }
    members = " ".join(f'{name}="{_escaped(value)}"' for name, value in data.items())
    priority = LOG_AUDIT * 8 + LEVELS[event.severity]
    return (
        f"<{priority}>1 {record.timestamp[:26]}Z {record.node_id[:HOSTNAME_CHARACTERS_MAX]} bailiwick - "
        f"{record.event_type[:MESSAGE_ID_CHARACTERS_MAX]} [bailiwick@{enterprise} {members}{more}] "
    ).encode()


def _escaped(value: str) -> str:
    """Escape the three characters that end a value (RFC 5424 section 6.3.3)."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("]", "\\]")


def _short(body: bytes) -> bytes:
    """Leave out what is large; whoever has index and leaf can ask for it."""
    event: dict[str, Any] = json.loads(body)
    for name in LEFT_OUT:
        del event[name]
    event["metadata"]["is_truncated"] = True
    return json.dumps(event, separators=(",", ":"), sort_keys=True).encode()


def _finish(session: ssl.SSLSocket) -> None:
    """Say that this was all, and wait until the server has closed in order.

    Servers that close the connection without a ``close_notify`` of their own are common; they have read to the end too.
    """
    try:
        session.unwrap()
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
        return
    except ssl.SSLError as error:
        # What a server said meanwhile, such as session tickets, is in the way of its last word, and is read first.
        if error.reason not in {"APPLICATION_DATA_AFTER_CLOSE_NOTIFY", "UNEXPECTED_EOF_WHILE_READING"}:
            raise
