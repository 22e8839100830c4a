"""Connections to receivers: TLS with the certificate verified, and a moment at which each one ends."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from bailiwick.errors import UsageRefused


class Deadline:
    """Cuts a connection when its time is up: a timeout of each read alone lets a slow drip go on for ever."""

    def __init__(self, sock: socket.socket, seconds: float) -> None:
        self._sock = sock
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self.is_over = False

    def __enter__(self) -> Deadline:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def _cut(self) -> None:
        self.is_over = True
        # The plain shutdown, below TLS: the thread that reads must wake up, not the other side be told.
        with suppress(OSError):
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)


@contextmanager
def within(sock: socket.socket, seconds: float) -> Iterator[None]:
    """Do something with a connection within a time.

    Raises:
        TimeoutError: it took longer; the connection was cut.
    """
    with Deadline(sock, seconds) as deadline:
        try:
            yield
        except Exception as error:
            if deadline.is_over:
                raise TimeoutError("the time was up") from error
            raise
    if deadline.is_over:
        raise TimeoutError("the time was up")


def connect(host: str, port: int, tls: ssl.SSLContext | None, timeout_s: float) -> socket.socket:
    """Connect to a receiver, over TLS where there is a context.

    Raises:
        OSError: no address, nobody there, a certificate that is not trusted, no TLS.
        TimeoutError: not within the time, for each address of the host.
    """
    plain = socket.create_connection((host, port), timeout=timeout_s)
    if tls is None:
        return plain
    try:
        session = tls.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
    except BaseException:
        plain.close()
        raise
    try:
        with within(session, timeout_s):
            session.do_handshake()
    except BaseException:
        session.close()
        raise
    return session


def tls_context(ca_file: str | None) -> ssl.SSLContext:
    """Give the terms on which a receiver is believed: TLS 1.2 or newer, certificate and name verified.

    Raises:
        UsageRefused: the file with certificates cannot be used (``sink-tls``).
    """
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise UsageRefused(
            f"the certificates in {ca_file} cannot be read: {error}",
            hint='give a file of PEM certificates: ca_file = "..."',
            code="sink-tls",
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
