"""An effect channel that posts each message to a receiver over HTTPS, signed, and believes a whole answer alone.

    POST /osha HTTP/1.1
    Idempotency-Key: hmac-sha256:ab…
    Bailiwick-Time: 2026-01-02T03:04:05.000000006Z
    Bailiwick-Fence: 40
    Bailiwick-Signature: hmac-sha256=…

Redirects are never followed, proxies not used, answers read up to a limit. 2xx is delivered; ``Idempotent-Replayed:
true`` says that it was before. 408, 425, 429 and 5xx are tried again, 412 says that a newer executor was there, and
whatever else is a refusal for good. However a receiver behaves, a request ends when its time is up.
"""

from __future__ import annotations

import http.client
import math
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from urllib.parse import SplitResult, urlsplit

from bailiwick.adapters.effectchannel_message import effect_name, message_bytes
from bailiwick.adapters.effectchannel_reach import Reach
from bailiwick.adapters.effectchannel_signature import Sign, signed_bytes
from bailiwick.adapters.tls import Allowance, within
from bailiwick.canonical import time_text
from bailiwick.errors import EffectDelayed, EffectFenced, EffectRefused, EffectsFrozen, UsageRefused
from bailiwick.model import JsonValue, check_tenant
from bailiwick.ports import Clock
from bailiwick.schema import Schemas

ANSWER_BYTES_MAX = 1 << 18
"""Largest answer that is read, in bytes."""
TIMEOUT_S = 30
"""A request with its answer takes at most so long, in seconds, where the settings say nothing else."""
URL_CHARACTERS_MAX = 2_000
LATER = frozenset({408, 425, 429})
"""Statuses below 500 that are about the moment."""
FENCED = 412
REPLAYED = "Idempotent-Replayed"


PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where messages go: a fixed URL, or that of a parameter of the effect, to a ``host`` or ``host:port`` of a list.

    ``is_plain_allowed`` lets ``http`` through: what is sent can then be read on the way.
    """

    url: str = ""
    parameter: str = ""
    hosts: frozenset[str] = frozenset()
    is_plain_allowed: bool = False

    def of(self, message: Mapping[str, JsonValue]) -> SplitResult:
        """Give the URL that a message goes to, taken apart.

        Raises:
            EffectRefused: there is none, it cannot be used, or its host is not allowed (``effect-url``,
                ``effect-host``).
        """
        text: object = self.url
        if self.parameter:
            parameters = message["parameters"]
            text = parameters.get(self.parameter) if isinstance(parameters, Mapping) else None
        if not isinstance(text, str) or len(text) > URL_CHARACTERS_MAX:
            raise _refused(f"the parameter {self.parameter} holds no URL", "effect-url")
        try:
            parts = urlsplit(text)
            _ = parts.port
        except ValueError as error:
            raise _refused(f"the receiver's URL cannot be read: {error}", "effect-url") from error
        if why := self._fault(parts, text):
            raise _refused(f"the receiver's URL {why}", "effect-url")
        if not self._is_allowed(parts):
            raise _refused(f"effects of this type may not go to {parts.netloc[:200]}", "effect-host")
        return parts

    def _is_allowed(self, parts: SplitResult) -> bool:
        """Say whether a host is on the list: ``host`` at the port of its scheme, ``host:port`` at that port alone."""
        host = str(parts.hostname)
        if parts.port in (None, PORTS[parts.scheme]) and host in self.hosts:
            return True
        return f"{host}:{parts.port or PORTS[parts.scheme]}" in self.hosts

    def _fault(self, parts: SplitResult, text: str) -> str:
        if not text.isascii() or not text.isprintable() or " " in text:
            return "has a character that no URL has"
        if parts.scheme not in ("https", "http") or not parts.hostname:
            return "is not of the form https://host:port/path"
        if parts.scheme == "http" and not self.is_plain_allowed:
            return "is http, over which anybody could read and change the message"
        return "carries credentials or a fragment" if parts.username or parts.password or parts.fragment else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEffectChannel:
    """Posts to receivers. One connection a message: effects are few, and a fresh one goes to an address looked at."""

    target: Target
    sign: Sign
    reach: Reach
    clock: Clock
    is_frozen: Callable[[], bool]
    tls: ssl.SSLContext
    timeout_s: int = TIMEOUT_S
    schemas: Schemas = field(default_factory=Schemas)

    def deliver(
        self, tenant: str, key: str, message: Mapping[str, JsonValue], *, fence: int = 0
    ) -> Mapping[str, JsonValue]:
        """Post a message under its key; see ``ports.EffectChannel``.

        Raises:
            SchemaViolated, InputRefused: it is no message.
            EffectRefused: the receiver refuses it for good, redirects it, or may not be asked.
            EffectFenced: the receiver has heard of a newer executor.
            EffectsFrozen: the panic switch was thrown while the connection was made.
            EffectDelayed: nobody knows whether it was taken, or the receiver has no time now.
        """
        check_tenant(tenant)
        effect_name(key)
        body = message_bytes(key, message, self.schemas)
        parts = self.target.of(message)
        time = time_text(self.clock.now_ns())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "bailiwick",
            "Idempotency-Key": key,
            "Bailiwick-Time": time,
            "Bailiwick-Fence": str(fence),
            "Bailiwick-Signature": self.sign(signed_bytes(time, key, fence, body)),
        }
        return self._judge(str(parts.hostname), *self._post(parts, body, headers))

    def _post(self, parts: SplitResult, body: bytes, headers: Mapping[str, str]) -> tuple[int, http.client.HTTPMessage]:
        """Post a body and give status and headers of a whole answer."""
        host = str(parts.hostname)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        allowed = Allowance(self.timeout_s)
        try:
            connection = self._connect(parts, host, allowed)
            try:
                return self._exchange(connection, path, body, headers, allowed)
            finally:
                connection.close()
        except TimeoutError as error:
            raise EffectDelayed(
                f"{host} did not answer within {self.timeout_s} seconds",
                hint="see how the receiver is; it is tried again by itself",
                code="effect-timeout",
            ) from error
        except ssl.SSLCertVerificationError as error:
            raise EffectDelayed(
                f"the certificate of {host} is not trusted: {error.verify_message}",
                hint='name the receiver\'s authority in node.toml: ca_file = "…"',
                code="effect-certificate",
            ) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise EffectDelayed(
                f"the answer of {host} cannot be believed: {str(error)[:300] or type(error).__name__}",
                hint="see how the receiver is; it is tried again by itself, under the same key",
                code="effect-answer",
            ) from error

    def _connect(self, parts: SplitResult, host: str, allowed: Allowance) -> http.client.HTTPConnection:
        """Connect by an address that is allowed; nothing is sent yet."""
        is_tls = parts.scheme == "https"
        connection = (
            http.client.HTTPSConnection(host, parts.port, context=self.tls)
            if is_tls
            else http.client.HTTPConnection(host, parts.port)
        )
        # The library must never connect by itself: it would resolve the name again, and look at no address.
        connection.auto_open = 0
        plain = self.reach.connect(host, connection.port, allowed)
        if not is_tls:
            connection.sock = plain
            return connection
        try:
            session = self.tls.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
        except BaseException:
            plain.close()
            raise
        connection.sock = session
        try:
            with within(session, allowed.left()):
                session.do_handshake()
        except BaseException:
            session.close()
            raise
        return connection

    def _exchange(
        self,
        connection: http.client.HTTPConnection,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        allowed: Allowance,
    ) -> tuple[int, http.client.HTTPMessage]:
        if self.is_frozen():
            raise EffectsFrozen("the panic switch was thrown before anything was sent", hint="bailiwick panic status")
        with within(connection.sock, allowed.left()):
            connection.request("POST", path, body, dict(headers))
            # Closed by itself: where the answer ends with the connection, the library gives the socket to it alone.
            with connection.getresponse() as response:
                _read_whole(response)
        return response.status, response.headers

    def _judge(self, host: str, status: int, headers: http.client.HTTPMessage) -> Mapping[str, JsonValue]:
        if 200 <= status < 300:
            was_before = headers.get(REPLAYED, "").strip().lower() == "true"
            return {"delivered": "before" if was_before else "now", "channel": "webhook", "status": status}
        said = f"{host} answered {status} {http.client.responses.get(status, '')}".rstrip()
        if status == FENCED:
            raise EffectFenced(said, hint="a newer executor was there; see: bailiwick effects list")
        if status in LATER or status >= 500:
            raise EffectDelayed(
                said, hint="it is tried again by itself", code="effect-busy", retry_after_s=self._retry_after_s(headers)
            )
        if 300 <= status < 400:
            raise _refused(f"{said}; redirects are not followed", "effect-redirected")
        raise _refused(said, "effect-refused")

    def _retry_after_s(self, headers: http.client.HTTPMessage) -> int | None:
        text = headers.get("Retry-After", "").strip()
        if text.isascii() and text.isdigit():
            return int(text[:9])
        try:
            until = parsedate_to_datetime(text).timestamp()
        except (ValueError, TypeError, OverflowError):
            return None
        return max(0, math.ceil(until - self.clock.now_ns() / 1e9))


def _read_whole(response: http.client.HTTPResponse) -> None:
    """Read an answer to its end, and keep nothing of it.

    Raises:
        HTTPException: it is too long, or shorter than it says, or its head is not whole.
    """
    if response.headers.defects:
        raise http.client.HTTPException("its head is not whole")
    answered = 0
    while piece := response.read(min(65_536, ANSWER_BYTES_MAX + 1 - answered)):
        answered += len(piece)
        if answered > ANSWER_BYTES_MAX:
            raise http.client.HTTPException(f"it is longer than {ANSWER_BYTES_MAX} bytes")
    if response.length:
        raise http.client.IncompleteRead(b"", response.length)


def fixed_target(url: str, hosts: list[str], *, is_plain_allowed: bool) -> Target:
    """Give the target of a URL that the settings name; its own host is allowed, and where others are named, only those.

    Raises:
        UsageRefused: the URL cannot be used (code ``effect-settings``).
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None  # which ``of`` refuses, with the reason
    own = host if port is None else f"{host}:{port}"
    target = Target(url=url, hosts=frozenset(hosts or [own]), is_plain_allowed=is_plain_allowed)
    try:
        target.of({"parameters": {}})
    except EffectRefused as error:
        raise UsageRefused(error.message, hint=error.hint, code="effect-settings") from error
    return target


def _refused(message: str, code: str) -> EffectRefused:
    return EffectRefused(
        message,
        hint="mend the receiver or [effects.TYPE] in node.toml, then: bailiwick effects retry --dead",
        code=code,
    )
