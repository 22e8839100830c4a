"""A witness's door: HTTP by the standard library, with limits on size, time and callers (C2SP tlog-witness).

Over TLS where there is a certificate, and in the clear otherwise: then put it behind a proxy that encrypts, or on a
network that is yours. What it answers is signed, and what it is asked is signed too.
"""

from __future__ import annotations

import hashlib
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from bailiwick.adapters.tls import server_terms, within
from bailiwick.errors import BailiwickError, Unavailable, UsageRefused
from bailiwick.model import WitnessAnswer
from bailiwick.ports import Witness

REQUEST_BYTES_MAX = 32_768
"""Longest request that is read, in bytes."""
IDLE_MS = 10_000
"""How long one connection may say nothing, in milliseconds."""
CONNECTION_MS = 60_000
"""How long one connection is kept, however busy, in milliseconds."""
CALLERS_MAX = 64
"""Connections at the same time, in number; one more is closed at once."""


class WitnessServer:
    """Serves one witness on an address, until it is closed."""

    def __init__(
        self, witness: Witness, origins: list[str], *, host: str, port: int, tls: ssl.SSLContext | None = None
    ) -> None:
        """Listen.

        Args:
            witness: Who answers.
            origins: The ledgers whose newest checkpoint anybody may read.
            host: Address to listen on.
            port: Port to listen on; 0 lets the system choose one.
            tls: On which terms callers are served; None: in the clear.

        Raises:
            Unavailable: the address cannot be had.
        """
        try:
            self._server = _Server((host, port), _Caller)
        except (OSError, OverflowError) as error:
            raise Unavailable(
                f"{host}:{port} cannot be listened on: {error}", hint="choose another: --listen", code="witness-listen"
            ) from error
        self._server.tls = tls
        self._server.witness = witness
        self._server.origins = {hashlib.sha256(origin.encode()).hexdigest(): origin for origin in origins}

    @property
    def url(self) -> str:
        """The submission and monitoring prefix."""
        host, port = self._server.server_address[:2]
        return f"{'http' if self._server.tls is None else 'https'}://{host!s}:{port}"

    def serve(self) -> None:
        """Answer until ``close`` is called from another thread, or the program is interrupted."""
        self._server.serve_forever(poll_interval=0.1)

    def __enter__(self) -> Self:
        """Serve in a thread of its own."""
        threading.Thread(target=self.serve, name="witness", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self.close()

    def close(self) -> None:
        """Let go of the address."""
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = CALLERS_MAX
    tls: ssl.SSLContext | None
    witness: Witness
    origins: dict[str, str]

    def __init__(self, *arguments: Any) -> None:
        self._places = threading.BoundedSemaphore(CALLERS_MAX)
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give a caller a thread, where one is free."""
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection, and give its place to another."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Agree on TLS, in the caller's own thread, and answer; all of it for a limited time."""
        if self.tls is None:
            with within(request, CONNECTION_MS / 1000):
                super().finish_request(request, client_address)
            return
        session = self.tls.wrap_socket(request, server_side=True, do_handshake_on_connect=False)
        try:
            with within(session, CONNECTION_MS / 1000):
                session.settimeout(IDLE_MS / 1000)
                session.do_handshake()
                super().finish_request(session, client_address)
        finally:
            self.shutdown_request(session)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a caller that hangs up, or sends no HTTP, is no news."""


class _Caller(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "bailiwick-witness"
    sys_version = ""
    timeout = IDLE_MS / 1000
    server: _Server

    def do_POST(self) -> None:
        """Answer ``add-checkpoint``."""
        if self.path != "/add-checkpoint":
            self._give(WitnessAnswer(status=404, body=b"there is /add-checkpoint, and nothing else to post to\n"))
            return
        text = self.headers.get("Content-Length", "")
        if not text.isascii() or not text.isdecimal() or len(text) > 9 or int(text) > REQUEST_BYTES_MAX:
            self.close_connection = True
            status = 413 if text.isdecimal() else 411
            self._give(WitnessAnswer(status=status, body=b"say how long the body is; at most 32768 bytes\n"))
            return
        request = self.rfile.read(int(text))
        if len(request) == int(text):
            self._answer(lambda: self.server.witness.add_checkpoint(request))

    def do_GET(self) -> None:
        """Give the newest checkpoint of a log."""
        name, _, rest = self.path.removeprefix("/").partition("/")
        origin = self.server.origins.get(name)
        self._answer(lambda: self._newest(origin if rest == "checkpoint" else None))

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the name is the library's
        """Keep no log: who asks is not this program's business."""

    def _newest(self, origin: str | None) -> WitnessAnswer:
        note = b"" if origin is None else self.server.witness.checkpoint(origin)
        return WitnessAnswer(status=200, body=note) if note else WitnessAnswer(status=404, body=b"there is none\n")

    def _answer(self, ask: Any) -> None:
        try:
            answer = ask()
        except BailiwickError as error:
            answer = WitnessAnswer(status=503, body=f"{error.code}\n".encode())
        self._give(answer)

    def _give(self, answer: WitnessAnswer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.media)
        self.send_header("Content-Length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(answer.body)


def read_address(text: str) -> tuple[str, int]:
    """Read ``HOST:PORT``.

    Raises:
        UsageRefused: it has another form (code ``address``).

    >>> read_address("127.0.0.1:8080")
    ('127.0.0.1', 8080)
    """
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdecimal() or int(port[:6]) > 65_535:
        raise UsageRefused(
            f"{text[:80]!r} is no address", hint="give HOST:PORT, such as 127.0.0.1:8080", code="address"
        )
    return host.removeprefix("[").removesuffix("]"), int(port)


def read_terms(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    """Read the certificate and the key to serve under; None where neither is given.

    Raises:
        UsageRefused: one without the other, or they cannot be used (code ``witness-tls``).
    """
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise _no_terms("a certificate and its key go together")
    try:
        return server_terms(certificate, key)
    except OSError as error:
        raise _no_terms(f"{certificate} and {key} cannot be used: {error.strerror or error}") from error


def _no_terms(message: str) -> UsageRefused:
    return UsageRefused(
        message,
        hint="give PEM files, the key without a passphrase: --certificate FILE --certificate-key FILE",
        code="witness-tls",
    )
