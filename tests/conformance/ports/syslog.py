"""What a syslog server does with what it gets: frames apart, and the event of a message."""

from __future__ import annotations

import json
import re

SYSLOG = re.compile(
    rb"<(\d+)>1 (\S+) (\S+) bailiwick - (\S+) \[bailiwick@32473 ((?:[a-z]+=\"[^\"]*\" ?)+)\] ", re.DOTALL
)


def read_to_end(session) -> bytes:
    """Read until the other side says that it is done: the work of a syslog server."""
    parts = []
    while part := session.recv(65_536):
        parts.append(part)
    return b"".join(parts)


def frames(data: bytes) -> list[bytes]:
    """Take octet-counted frames apart, all of them whole (RFC 6587 section 3.4.1)."""
    found = []
    while data:
        size, _, rest = data.partition(b" ")
        assert len(rest) >= int(size)
        found.append(rest[: int(size)])
        data = rest[int(size) :]
    return found


def body_of(message: bytes) -> dict:
    """Give the event of a syslog message."""
    return json.loads(message[SYSLOG.match(message).end() :])
