"""Syslog over TLS: messages as specified, and servers that are not trusted, cut, hang or never begin."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import pytest

from bailiwick.adapters.auditsink_syslog import SyslogAuditSink
from bailiwick.errors import SinkUnavailable, UsageRefused

from .syslog import SYSLOG, body_of, frames, read_to_end

SHORT_S = 0.3
LATE_S = 5
"""What is cut after SHORT_S has ended long before this, on a machine that is busy too."""


def syslog(server, certificate, **more) -> SyslogAuditSink:
    """Build a sink for a server on this machine."""
    return SyslogAuditSink("127.0.0.1", server.port, ca_file=str(certificate.certificate), **more)


def test_a_syslog_message_is_as_specified(serve, certificate, make_events):
    """Wrong if a server would take a message for another one's end, facility, time or identity."""
    server = serve(read_to_end, tls=True)
    events = [*make_events(1), *make_events(1, "panic.set")]
    syslog(server, certificate).deliver(events)
    first, second = frames(server.talk())
    priority, timestamp, host, message_id, data = SYSLOG.match(first).groups()
    assert (priority, host, message_id) == (b"110", b"node-1", b"decision.sealed")
    assert SYSLOG.match(second)[1] == b"108"
    assert timestamp.decode() == events[0].record.timestamp[:26] + "Z"
    assert data.decode() == f'key="{events[0].key}" tenant="local" index="1" leaf="{events[0].leaf}"'


@pytest.mark.parametrize("bytes_max", [2_048, 8_192])
def test_a_message_that_is_too_long_is_shortened_and_says_so(serve, certificate, make_events, bytes_max):
    """Wrong if a server cuts a message by itself, and nobody can see that something is missing."""
    server = serve(read_to_end, tls=True)
    (event,) = make_events(1, text="x" * 20_000)
    notice = syslog(server, certificate, message_bytes_max=bytes_max).deliver([event])
    (message,) = frames(server.talk())
    assert len(message) <= bytes_max
    assert f'truncated="1" size="{len(event.body)}"'.encode() in message
    assert body_of(message)["metadata"]["is_truncated"] is True
    assert "raw_data" not in body_of(message)
    assert notice == f"1 messages were shortened to {bytes_max} bytes"


def test_a_server_that_is_not_trusted_gets_no_record(serve, make_events):
    """Wrong if anybody on the way can pose as the syslog server."""
    server = serve(read_to_end, tls=True)
    with pytest.raises(SinkUnavailable) as caught:
        SyslogAuditSink("127.0.0.1", server.port).deliver(make_events(1))
    assert caught.value.code == "sink-denied"
    assert isinstance(server.talk(), OSError)


def test_a_server_of_another_name_gets_no_record(serve, certificate, make_events):
    """Wrong if a certificate for one machine opens the door of another."""
    server = serve(read_to_end, tls=True)
    sink = SyslogAuditSink("127.0.0.2", server.port, ca_file=str(certificate.certificate))
    with pytest.raises(SinkUnavailable):
        sink.deliver(make_events(1))


def cut(session) -> None:
    """Take a little, and drop the connection with the rest unread."""
    session.recv(16)


def keep_silent(session) -> None:
    """Read everything, and never close."""
    with suppress(OSError):
        read_to_end(session)
        session.settimeout(LATE_S)
        super(type(session), session).recv(1)


def never_shake_hands(connection) -> None:
    """Let a client begin TLS, and say nothing."""
    with suppress(OSError):
        read_to_end(connection)


@pytest.mark.parametrize(
    ("talk", "tls", "codes"),
    [
        (cut, True, {"sink-unreachable"}),
        (keep_silent, True, {"sink-timeout"}),
        (never_shake_hands, False, {"sink-timeout"}),
        (lambda connection: connection.sendall(b"no TLS here\r\n"), False, {"sink-unreachable"}),
    ],
    ids=["cut half-way", "never closes", "never shakes hands", "no TLS"],
)
def test_a_session_that_does_not_end_in_order_confirms_nothing(serve, certificate, make_events, talk, tls, codes):
    """Wrong if messages that a server never read count as delivered, or a silent one holds the sink for ever."""
    server = serve(talk, tls=tls)
    events = make_events(400, text="x" * 5_000)
    before = time.monotonic()
    with pytest.raises(SinkUnavailable) as caught:
        syslog(server, certificate, timeout_s=SHORT_S if "sink-timeout" in codes else 10).deliver(events)
    assert caught.value.code in codes
    assert time.monotonic() - before < LATE_S


def test_messages_below_what_every_server_takes_are_refused(certificate):
    """Wrong if a setting makes every message unreadable."""
    with pytest.raises(UsageRefused):
        SyslogAuditSink("127.0.0.1", ca_file=str(certificate.certificate), message_bytes_max=2_047)


def test_paths_that_cannot_be_read_are_named(tmp_path: Path):
    """Wrong if a missing file of certificates is found out at the first delivery, in the middle of the night."""
    with pytest.raises(UsageRefused) as caught:
        SyslogAuditSink("127.0.0.1", ca_file=str(tmp_path / "none.pem"))
    assert caught.value.code == "sink-tls"
