"""A witness behind HTTP (C2SP tlog-witness): one request, one answer, within a time and a size.

Nothing is followed and nothing is believed here: a redirect is an answer like any other, and what the answer is worth
its signature says. Over HTTPS the certificate and the name in it are verified all the same, so that no stranger on the
way learns what is asked or answers in its place.
"""

from __future__ import annotations

import hashlib
import ssl
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from urllib.parse import urlsplit

from bailiwick.adapters.tls import caller_terms, connect, within
from bailiwick.errors import Unavailable, UsageRefused
from bailiwick.model import WitnessAnswer
from bailiwick.ports import Disk

ANSWER_BYTES_MAX = 65_536
"""Longest answer that is read, in bytes."""
TIMEOUT_MS = 5_000
"""How long a witness may take to be connected, as long again for TLS, and for one answer, in milliseconds."""
URL_CHARACTERS_MAX = 500


class HttpWitness:
    """See ``ports.Witness``. ``url``: the submission prefix, which is taken for the monitoring prefix too."""

    def __init__(self, url: str, *, certificates: str = "", timeout_ms: int = TIMEOUT_MS) -> None:
        """Prepare; nothing is connected yet.

        Args:
            url: ``http`` or ``https``, with a path or without.
            certificates: PEM text of authorities that are believed beside the system's.
            timeout_ms: See ``TIMEOUT_MS``.

        Raises:
            UsageRefused: it is no such address (``witness-url``), or those are no certificates (``witness-tls``).
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise _not_a_url(url) from error
        is_plain = url.isascii() and url.isprintable() and " " not in url and len(url) <= URL_CHARACTERS_MAX
        if not is_plain or parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
            raise _not_a_url(url)
        self._tls = _terms(certificates) if parts.scheme == "https" else None
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
        kind = HTTPConnection if self._tls is None else HTTPSConnection
        try:
            with closing(kind(self._host, self._port, timeout=self._timeout_s)) as connection:
                connection.sock = connect(self._host, connection.port, self._tls, self._timeout_s)
                with within(connection.sock, self._timeout_s):
                    connection.request(method, self._prefix + path, body or None, {"Connection": "close"})
                    answer = connection.getresponse()
                    data = answer.read(ANSWER_BYTES_MAX + 1)
        except TimeoutError as error:
            raise self._unreachable(f"it takes more than {self._timeout_s} s") from error
        except (OSError, HTTPException, ValueError) as error:
            raise self._unreachable(str(error) or type(error).__name__) from error
        if answer.length and len(data) <= ANSWER_BYTES_MAX:
            raise self._unreachable("its answer breaks off")
        if len(data) > ANSWER_BYTES_MAX:
            raise self._unreachable(f"its answer has more than {ANSWER_BYTES_MAX} bytes")
        return WitnessAnswer(status=answer.status, body=data, media=answer.getheader("Content-Type", ""))

    def _unreachable(self, why: str) -> Unavailable:
        return Unavailable(
            f"the witness at {self.url} does not answer: {why}",
            hint="ask again later; records go on meanwhile, and the newest are not witnessed",
            code="witness-unreachable",
        )


def read_certificates(disk: Disk, path: Path, bytes_max: int) -> str:
    """Read a file of PEM certificates, and see that they can be used.

    Raises:
        UsageRefused: it cannot be read, is longer than ``bytes_max``, or holds none (code ``witness-tls``).
    """
    try:
        text = disk.read(path, 0, bytes_max + 1).decode("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise _no_certificates(f"{path}: {error}") from error
    if len(text) > bytes_max or not text.strip():
        raise _no_certificates(f"{path} is empty, or longer than {bytes_max} bytes")
    _terms(text)
    return f"{text.strip()}\n"


def _terms(certificates: str) -> ssl.SSLContext:
    try:
        return caller_terms(certificates=certificates)
    except OSError as error:
        raise _no_certificates(str(error)) from error


def _no_certificates(why: str) -> UsageRefused:
    return UsageRefused(
        f"the certificates to believe witnesses by cannot be used: {why}",
        hint="give certificates of authorities as PEM: --ca-file FILE",
        code="witness-tls",
    )


def _not_a_url(url: str) -> UsageRefused:
    return UsageRefused(
        f"{url[:80]!r} is not the address of a witness",
        hint="give its submission prefix, such as https://witness.example/api",
        code="witness-url",
    )
