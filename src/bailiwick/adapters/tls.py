"""TLS for adapters that call others or are called: certificates verified, and a moment at which a connection ends."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class Allowance:
    """A time that several steps share, in seconds."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Give what is left of it.

        Raises:
            TimeoutError: nothing.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time was up")
        return left


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


def caller_terms(*, ca_file: str | None = None, certificates: str = "") -> ssl.SSLContext:
    """Give the terms on which somebody who is called is believed: TLS 1.2 or newer, certificate and name verified.

    Args:
        ca_file: Certificates to trust in place of the system's.
        certificates: Certificates, as PEM text, to trust beside the system's.

    Raises:
        OSError: they cannot be read, or are none.
    """
    terms = ssl.create_default_context(cafile=ca_file)
    terms.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificates:
        terms.load_verify_locations(cadata=certificates)
    return terms


def server_terms(certificate: Path, key: Path) -> ssl.SSLContext:
    """Give the terms on which callers are served: TLS 1.2 or newer, under a certificate with its chain, as PEM files.

    Raises:
        OSError: they cannot be read, do not belong together, or the key is locked by a passphrase.
    """
    terms = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    terms.minimum_version = ssl.TLSVersion.TLSv1_2
    # Without a passphrase to give, OpenSSL would ask at the terminal.
    terms.load_cert_chain(certificate, key, password=lambda: "")
    return terms
