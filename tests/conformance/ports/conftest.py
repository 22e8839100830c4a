"""Receivers on this machine that speak the wire formats of sinks, and keep every byte that they were sent."""

from __future__ import annotations

import queue
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bailiwick.adapters.auditsink_datadog import DatadogAuditSink
from bailiwick.adapters.auditsink_http import HttpPoster
from bailiwick.adapters.auditsink_otlp import OtlpAuditSink
from bailiwick.adapters.auditsink_splunk import SplunkAuditSink
from bailiwick.keys import Signer, new_secret
from bailiwick.ledger import Ledger
from bailiwick.model import Actor, AuditEvent, Draft
from bailiwick.ports import AuditSink
from bailiwick.sinks import audit_event
from bailiwick.testing import MemoryClock, MemoryEntropy, MemoryLedgerStore

WAIT_S = 20
ORIGIN = "bailiwick/0123456789abcdef"


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes


Reply = tuple[int, dict[str, str], bytes]
"""Status, headers and body of an answer."""


@dataclass
class HttpReceiver:
    """An HTTP receiver. ``reply`` makes the answer to a request; None cuts the connection without one."""

    url: str = ""
    reply: Callable[[Request], Reply | None] = lambda _: (200, {}, b"{}")
    requests: list[Request] = field(default_factory=list)

    def paths(self) -> list[str]:
        """Give the path of each request, in order."""
        return [request.path for request in self.requests]


def _handler(receiver: HttpReceiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.path, headers, self.rfile.read(int(headers["content-length"])))
            receiver.requests.append(request)
            answer = receiver.reply(request)
            if answer is None:
                self.close_connection = True
                return
            status, more, body = answer
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **more}.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(OSError):
                self.wfile.write(body)

        def log_message(self, *_):
            pass  # a test says what it saw by itself

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """Say nothing: clients of these tests leave when they like."""


@pytest.fixture
def receiver():
    """Give an HTTP receiver on this machine."""
    made = HttpReceiver()
    server = _Server(("127.0.0.1", 0), _handler(made))
    made.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    server.shutdown()
    thread.join(WAIT_S)
    server.server_close()


@pytest.fixture
def tls_receiver(certificate):
    """Give an HTTPS receiver whose certificate only ``certificate`` vouches for."""
    made = HttpReceiver()
    server = _Server(("127.0.0.1", 0), _handler(made))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    made.url = f"https://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    server.shutdown()
    thread.join(WAIT_S)
    server.server_close()


def built(kind: str, url: str, *, timeout_s: float = 10, ca_file: str | None = None, **more) -> AuditSink:
    """Build a sink over HTTP."""
    poster = HttpPoster(url, clock=MemoryClock(), ca_file=ca_file, timeout_s=timeout_s)
    if kind == "splunk":
        return SplunkAuditSink(
            poster, "for-tests", entropy=MemoryEntropy(), pause=more.pop("pause", lambda _: None), **more
        )
    return DatadogAuditSink(poster, "for-tests") if kind == "datadog" else OtlpAuditSink(poster)


@pytest.fixture
def http_sink():
    """Build sinks over HTTP that are closed at the end."""
    with ExitStack() as stack:
        yield lambda kind, url, **more: stack.enter_context(closing(built(kind, url, **more)))


class RawServer:
    """A server that does with each connection what a test says, and keeps what it returned."""

    def __init__(self, talk: Callable[[socket.socket], object], tls=None) -> None:
        self._talk = talk
        self._context = None
        if tls is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(tls.certificate, tls.key)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.port = self._listener.getsockname()[1]
        self.talks: queue.Queue = queue.Queue()
        self._threads = [threading.Thread(target=self._serve)]
        self._threads[0].start()

    def _serve(self) -> None:
        while True:
            try:
                connection = self._listener.accept()[0]
            except OSError:
                return
            self._open.append(connection)
            thread = threading.Thread(target=self._answer, args=[connection])
            self._threads.append(thread)
            thread.start()

    def _answer(self, connection: socket.socket) -> None:
        try:
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True)
                self._open.append(connection)
            self.talks.put(self._talk(connection))
        except OSError as error:
            self.talks.put(error)
        finally:
            connection.close()

    def talk(self):
        """Give what the next connection came to."""
        return self.talks.get(timeout=WAIT_S)

    def close(self) -> None:
        """Stop, whatever is under way."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(WAIT_S)
        for connection in self._open:
            connection.close()


@pytest.fixture
def serve(certificate):
    """Start raw servers: ``serve(talk)``, over TLS with ``serve(talk, tls=True)``."""
    servers = []

    def start(talk, *, tls: bool = False) -> RawServer:
        servers.append(RawServer(talk, certificate if tls else None))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def ledger():
    """Give an empty ledger that lets any draft in: these tests are about what leaves."""
    with Ledger.create(
        "local",
        MemoryLedgerStore(),
        Signer(ORIGIN, new_secret(bytes(32))),
        clock=MemoryClock(step_ns=1_000),
        origin=ORIGIN,
        node_id="node-1",
        actor=Actor(id="operator-1", role="operator"),
        checkpoint_ms=None,
        guard=lambda _: None,
    ) as made:
        yield made


@pytest.fixture
def make_events(ledger) -> Callable[..., list[AuditEvent]]:
    """Make events of true records: ``make_events(3)``, with more in each record by ``detail``."""

    def make(count: int, event_type: str = "decision.sealed", **detail) -> list[AuditEvent]:
        actor = Actor(id="operator-1", role="operator")
        drafts = [
            Draft(event_type=event_type, resource="pack/us-osha-1904", detail={"number": n, **detail}, actor=actor)
            for n in range(count)
        ]
        start = ledger.record_many("local", drafts)[0].index
        return [audit_event("local", ORIGIN, record) for record in ledger.records(start, start + count)]

    return make
