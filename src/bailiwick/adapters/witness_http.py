"""A witness behind HTTP (C2SP tlog-witness): one request, one answer, within a time and a size.

Nothing is followed and nothing is believed here: a redirect is an answer like any other, and what the answer is worth
its signature says.
"""

from __future__ import annotations

import hashlib
import socket
import threading
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from bailiwick.errors import Unavailable, UsageRefused
from bailiwick.model import WitnessAnswer

ANSWER_BYTES_MAX = 65_536
"""Longest answer that is read, in bytes."""
TIMEOUT_MS = 5_000
"""How long a witness may take for one answer, from the first byte sent to the last received, in milliseconds."""
URL_CHARACTERS_MAX = 500


class HttpWitness:
    """See ``ports.Witness``. ``url``: the submission prefix, which is taken for the monitoring prefix too."""

    def __init__(self, url: str, *, timeout_ms: int = TIMEOUT_MS) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise _not_a_url(url) from error
        is_plain = url.isascii() and url.isprintable() and " " not in url and len(url) <= URL_CHARACTERS_MAX
        if not is_plain or parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
            raise _not_a_url(url)
        self._connect = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._host, self._port = parts.hostname, port
        self._prefix = parts.path.rstrip("/")
        self._timeout_s = timeout_ms / 1000
        self.url = url

    def add_checkpoint(self, request: bytes) -> WitnessAnswer:
        """Ask for a cosignature."""
        return self._ask("POST", "/add-checkpoint", request)

    def checkpoint(self, origin: str) -> bytes:
        """Give the newest checkpoint that it cosigned for a ledger; empty where there is none."""
        answer = self._ask("GET", f"/{hashlib.sha256(origin.encode()).hexdigest()}/checkpoint", b"")
        return answer.body if answer.status == 200 else b""

    def _ask(self, method: str, path: str, body: bytes) -> WitnessAnswer:
        connection = self._connect(self._host, self._port, timeout=self._timeout_s)
        is_over = threading.Event()
        alarm = threading.Timer(self._timeout_s, _hang_up, [connection, is_over])
        alarm.daemon = True
        try:
            alarm.start()
            connection.request(method, self._prefix + path, body or None, {"Connection": "close"})
            answer = connection.getresponse()
            data = answer.read(ANSWER_BYTES_MAX + 1)
            media = answer.getheader("Content-Type", "")
        except (OSError, HTTPException, ValueError) as error:
            raise self._unreachable(str(error) or type(error).__name__) from error
        finally:
            alarm.cancel()
            connection.close()
        if is_over.is_set() or (answer.length and len(data) <= ANSWER_BYTES_MAX):
            raise self._unreachable(f"its answer breaks off, or takes more than {self._timeout_s} s")
        if len(data) > ANSWER_BYTES_MAX:
            raise self._unreachable(f"its answer has more than {ANSWER_BYTES_MAX} bytes")
        return WitnessAnswer(status=answer.status, body=data, media=media)

    def _unreachable(self, why: str) -> Unavailable:
        return Unavailable(
            f"the witness at {self.url} does not answer: {why}",
            hint="ask again later; records go on meanwhile, and the newest are not witnessed",
            code="witness-unreachable",
        )


def _hang_up(connection: HTTPConnection, is_over: threading.Event) -> None:
    """End a connection from another thread: whoever drips one byte a second does not hold us for longer."""
    is_over.set()
    with suppress(OSError):
        if connection.sock is not None:
            connection.sock.shutdown(socket.SHUT_RDWR)


def _not_a_url(url: str) -> UsageRefused:
    return UsageRefused(
        f"{url[:80]!r} is not the address of a witness",
        hint="give its submission prefix, such as https://witness.example/api",
        code="witness-url",
    )
