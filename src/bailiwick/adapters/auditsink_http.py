"""What every sink over HTTP does: one bounded request, and an answer that means delivered, later, or never.

HTTPS with the server's certificate verified; plain HTTP to this machine only. Redirects are not followed, proxies not
used, answers read up to a limit. However a receiver behaves, a request ends when its time is up.
"""

from __future__ import annotations

import http.client
import json
import math
import ssl
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

from bailiwick.adapters.auditsink_tls import tls_context
from bailiwick.adapters.tls import connect, within
from bailiwick.errors import SinkRefused, SinkUnavailable, UsageRefused
from bailiwick.ports import Clock

ANSWER_BYTES_MAX = 1 << 20
"""Largest answer that is read, in bytes."""
TIMEOUT_S = 30
"""A request with its answer takes at most so long, in seconds, where the settings say nothing else."""
TEXT_CHARACTERS_MAX = 300
LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
REFUSED = frozenset({400, 413, 414, 415, 422, 431})
"""Statuses that are about what was sent: it will be refused again."""
BUSY = frozenset({408, 425, 429})
"""Statuses below 500 that are about the moment."""


class Answer(NamedTuple):
    """What a receiver answered: status, body, and how long it asked to be left alone, in seconds, or None."""

    status: int
    body: bytes
    retry_after_s: int | None

    def document(self) -> Any:
        """Read the body as JSON; None where it is not."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    def text(self) -> str:
        """Give the beginning of the body, for people."""
        return self.body[: TEXT_CHARACTERS_MAX * 4].decode("utf-8", "replace")[:TEXT_CHARACTERS_MAX].strip()


class HttpPoster:
    """Posts bodies to one URL, over one connection that is kept while it works."""

    def __init__(self, url: str, *, clock: Clock, ca_file: str | None = None, timeout_s: float = TIMEOUT_S) -> None:
        """Prepare; nothing is connected yet.

        Args:
            url: ``https://host[:port]``, with a path or without; ``http`` for this machine alone.
            clock: Tells how long a ``Retry-After`` with a date is.
            ca_file: Certificates to trust in place of the system's.
            timeout_s: A request with its answer takes at most so long.

        Raises:
            UsageRefused: the URL cannot be used (``sink-url``), or the certificates cannot be read (``sink-tls``).
        """
        self._parts = check_url(url)
        self.path = self._parts.path.rstrip("/")
        self._clock = clock
        self._timeout_s = timeout_s
        self._tls = None if self._parts.scheme == "http" else tls_context(ca_file)
        self._connection: http.client.HTTPConnection | None = None

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Post a body and give the answer, whatever its status.

        Raises:
            SinkUnavailable: no connection, no answer in time, or one that is no HTTP (``sink-unreachable``,
                ``sink-timeout``, ``sink-answer``).
        """
        is_reused = self._connection is not None
        try:
            return self._exchange(path, body, headers)
        except TimeoutError as error:
            raise self._late() from error
        except (OSError, http.client.HTTPException) as error:
            # A receiver may close a connection that was idle, which shows only now; a new one is tried once.
            if not (is_reused and isinstance(error, ConnectionError)):
                raise self._unreachable(error) from error
        try:
            return self._exchange(path, body, headers)
        except TimeoutError as error:
            raise self._late() from error
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _exchange(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        connection = self._connection = self._connection or self._connect()
        assert connection.sock is not None
        try:
            with within(connection.sock, self._timeout_s):
                connection.request("POST", path, body, {**headers, "User-Agent": "bailiwick"})
                response = connection.getresponse()
                answered = response.read(ANSWER_BYTES_MAX + 1)
        except BaseException:
            self.close()
            raise
        if len(answered) > ANSWER_BYTES_MAX or response.will_close:
            self.close()
        if len(answered) > ANSWER_BYTES_MAX:
            raise SinkUnavailable(
                f"{self._parts.netloc} answered more than {ANSWER_BYTES_MAX} bytes",
                hint="see whether the URL is the one of the receiver",
                code="sink-answer",
            )
        return Answer(response.status, answered, self._retry_after_s(response))

    def _connect(self) -> http.client.HTTPConnection:
        host, is_tls = str(self._parts.hostname), self._tls is not None
        kind = http.client.HTTPSConnection if is_tls else http.client.HTTPConnection
        connection = kind(host, self._parts.port, timeout=self._timeout_s)
        connection.sock = connect(host, connection.port, self._tls, self._timeout_s)
        return connection

    def _retry_after_s(self, response: http.client.HTTPResponse) -> int | None:
        text = response.headers.get("Retry-After", "").strip()
        if text.isascii() and text.isdigit():
            return int(text[:9])
        try:
            until = parsedate_to_datetime(text).timestamp()
        except (ValueError, TypeError, OverflowError):
            return None
        return max(0, math.ceil(until - self._clock.now_ns() / 1e9))

    def _late(self) -> SinkUnavailable:
        return SinkUnavailable(
            f"{self._parts.netloc} did not answer within {self._timeout_s:g} seconds",
            hint="see how the receiver is; it is tried again by itself",
            code="sink-timeout",
        )

    def _unreachable(self, error: Exception) -> SinkUnavailable:
        if isinstance(error, ssl.SSLCertVerificationError):
            return SinkUnavailable(
                f"the certificate of {self._parts.netloc} is not trusted: {error.verify_message}",
                hint='name the receiver\'s authority: ca_file = "..."',
                code="sink-denied",
            )
        code = "sink-answer" if isinstance(error, http.client.HTTPException | UnicodeError) else "sink-unreachable"
        return SinkUnavailable(
            f"{self._parts.netloc} cannot be reached: {str(error)[:TEXT_CHARACTERS_MAX] or type(error).__name__}",
            hint="see whether the receiver runs and the URL is right; it is tried again by itself",
            code=code,
        )


def check_url(url: str) -> SplitResult:
    """Take a URL apart that a sink may post to.

    Raises:
        UsageRefused: not ``https``, and not ``http`` to this machine; credentials, a query or a fragment in it.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise _refused_url(f"{url[:200]!r} is no URL: {error}") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise _refused_url(f"{url[:200]!r} is no URL of the form https://host:port")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise _refused_url("the URL carries credentials, a query or a fragment")
    if parts.scheme == "http" and parts.hostname not in LOCAL:
        raise _refused_url(f"{parts.hostname} would be sent records and a token in the clear")
    return parts


def check_answer(answer: Answer, who: str) -> None:
    """Pass over an answer that confirms, and raise what any other means.

    Raises:
        SinkRefused: what was sent is refused, and will be again.
        SinkUnavailable: too busy or failing (``sink-busy``), or not for us: a wrong token, path or redirect, which
            somebody has to mend (``sink-denied``). Either is tried again.
    """
    status = answer.status
    if 200 <= status < 300:
        return
    said = f"{who} answered {status}: {answer.text() or http.client.responses.get(status, 'no reason')}"
    if status in REFUSED:
        raise SinkRefused(said, hint="bailiwick sinks status names the record; mend the receiver, or skip it")
    if status in BUSY or status >= 500:
        raise SinkUnavailable(
            said, hint="it is tried again by itself", code="sink-busy", retry_after_s=answer.retry_after_s
        )
    raise SinkUnavailable(said, hint="mend the token or the URL; it is tried again by itself", code="sink-denied")


def _refused_url(message: str) -> UsageRefused:
    return UsageRefused(message, hint='give url = "https://host:port"; plain http for 127.0.0.1', code="sink-url")
