"""An effect channel that sends each message as one e-mail, over SMTP with TLS.

The Message-ID comes from the effect's key, so that whoever gets a mail twice can tell. SMTP has no keys of its own: a
connection that breaks after the last line leaves it unknown whether the mail was taken, and it is sent again.
"""

from __future__ import annotations

import json
import re
import smtplib
import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage
from typing import IO, Any

from bailiwick.adapters.effectchannel_message import effect_name, message_bytes
from bailiwick.adapters.effectchannel_reach import Reach
from bailiwick.adapters.tls import Allowance, within
from bailiwick.errors import EffectDelayed, EffectRefused, EffectsFrozen
from bailiwick.model import JsonValue, check_tenant
from bailiwick.schema import Schemas

TIMEOUT_S = 60
"""Sending one mail takes at most so long, in seconds, where the settings say nothing else."""
RECIPIENTS_MAX = 20
LINE_CHARACTERS_MAX = 998
"""Longest line of a mail, in characters (RFC 5322, section 2.1.1): a key stays on one line."""
REPLIES_BYTES_MAX = 1 << 18
"""Most that a server may say while one mail is sent, in bytes."""
_TOO_LONG = "Line too long."
"""What the library says in the name of a server whose reply has no end."""
ADDRESS = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\Z"
)
"""An address as mail goes to it (RFC 5321 ``Mailbox``), without quotes, comments, display names and line ends."""
ADDRESS_CHARACTERS_MAX = 254


def is_address(text: object) -> bool:
    """Say whether mail can go there.

    >>> is_address("a@example.org\\r\\nBcc: b@example.org")
    False
    """
    return isinstance(text, str) and len(text) <= ADDRESS_CHARACTERS_MAX and ADDRESS.match(text) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What every mail of a type has: who sends it, what it is about, and to whom it goes.

    It goes to ``to``, or to the address in a ``parameter`` of the effect, where its domain is one of ``domains``.
    """

    sender: str
    subject: str
    to: tuple[str, ...] = ()
    parameter: str = ""
    domains: frozenset[str] = frozenset()

    def recipients(self, message: Mapping[str, Any]) -> tuple[str, ...]:
        """Say to whom a message goes.

        Raises:
            EffectRefused: the parameter holds no address (``effect-recipient``), or none of a domain that is allowed.
        """
        if not self.parameter:
            return self.to
        address = message["parameters"].get(self.parameter)
        if not is_address(address):
            raise _refused(f"the parameter {self.parameter} holds no address of mail", "effect-recipient")
        if address.rpartition("@")[2].lower() not in self.domains:
            raise _refused(f"the parameter {self.parameter} names a domain that is not allowed", "effect-recipient")
        return (address,)

    def mail(self, key: str, fence: int, message: Mapping[str, Any], to: tuple[str, ...]) -> bytes:
        """Write the mail: the message as JSON, indented for people, under headers that nobody else fills in."""
        mail = EmailMessage(policy=policy.SMTP.clone(max_line_length=LINE_CHARACTERS_MAX))
        mail["From"] = self.sender
        mail["To"] = ", ".join(to)
        mail["Subject"] = self.subject
        mail["Message-ID"] = f"<{effect_name(key)}@{self.sender.rpartition('@')[2]}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail["Bailiwick-Key"] = key
        mail["Bailiwick-Fence"] = str(fence)
        mail.set_content(json.dumps(message, indent=2, sort_keys=True, ensure_ascii=True) + "\n")
        return mail.as_bytes()


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailEffectChannel:
    """Hands each mail to one mail server; ``security`` is ``tls``, ``starttls`` or ``none``.

    All recipients are taken or none: a mail is never sent to some.
    """

    host: str
    port: int
    security: str
    letter: Letter
    reach: Reach
    is_frozen: Callable[[], bool]
    tls: ssl.SSLContext
    user: str = ""
    password: str = field(default="", repr=False)
    timeout_s: int = TIMEOUT_S
    schemas: Schemas = field(default_factory=Schemas)

    def deliver(
        self, tenant: str, key: str, message: Mapping[str, JsonValue], *, fence: int = 0
    ) -> Mapping[str, JsonValue]:
        """Send a mail under the key's Message-ID; see ``ports.EffectChannel``.

        Raises:
            SchemaViolated, InputRefused: it is no message.
            EffectRefused: the server refuses mail, sender or a recipient for good, or has no TLS.
            EffectsFrozen: the panic switch was thrown while the connection was made.
            EffectDelayed: nobody knows whether it was taken, or the server has no time now.
        """
        check_tenant(tenant)
        message_bytes(key, message, self.schemas)
        to = self.letter.recipients(message)
        mail = self.letter.mail(key, fence, message, to)
        try:
            status = self._send(mail, to)
        except TimeoutError as error:
            raise EffectDelayed(
                f"{self.host} did not take the mail within {self.timeout_s} seconds",
                hint="see how the server is; it is tried again by itself",
                code="effect-timeout",
            ) from error
        except smtplib.SMTPResponseException as error:
            raise self._judge(0 if error.smtp_error == _TOO_LONG else error.smtp_code) from error
        except smtplib.SMTPNotSupportedError as error:
            raise _refused(f"{self.host} cannot do what is asked of it: {str(error)[:200]}", "effect-mail") from error
        except (OSError, smtplib.SMTPException, ValueError) as error:
            raise EffectDelayed(
                f"{self.host} did not take the mail: {str(error)[:300] or type(error).__name__}",
                hint="see how the server is; it is tried again by itself",
            ) from error
        return {"delivered": "now", "channel": "email", "status": status}

    def _send(self, mail: bytes, to: tuple[str, ...]) -> int:
        allowed = Allowance(self.timeout_s)
        sock = self.reach.connect(self.host, self.port, allowed)
        # The time is kept on a second handle: TLS takes the first one over, and the connection is one all the same.
        watched = sock.dup()
        try:
            # Closed without a farewell: what a server answers to that would hide that it has taken the mail.
            with (
                within(watched, allowed.left()),
                closing(_Session(self.host, sock, self._wrap, self.timeout_s)) as session,
            ):
                return self._talk(session, mail, to)
        finally:
            watched.close()
            sock.close()

    def _wrap(self, sock: socket.socket) -> socket.socket:
        return self.tls.wrap_socket(sock, server_hostname=self.host) if self.security == "tls" else sock

    def _talk(self, session: _Session, mail: bytes, to: tuple[str, ...]) -> int:
        session.ehlo_or_helo_if_needed()
        if self.security == "starttls":
            _check(session.starttls(context=self.tls), "STARTTLS")
            session.ehlo_or_helo_if_needed()
        if self.user:
            session.login(self.user, self.password)
        _check(session.mail(self.letter.sender, [f"size={len(mail)}"] if session.has_extn("size") else []), "MAIL")
        for each in to:
            _check(session.rcpt(each), "RCPT")
        if self.is_frozen():
            raise EffectsFrozen("the panic switch was thrown before anything was sent", hint="bailiwick panic status")
        return _check(session.data(mail), "DATA")

    def _judge(self, status: int) -> EffectDelayed | EffectRefused:
        said = f"{self.host} answered {status or 'without an end'}"
        if 500 <= status < 600:
            return _refused(said, "effect-refused")
        return EffectDelayed(said, hint="it is tried again by itself", code="effect-busy")


class _Session(smtplib.SMTP):
    """A conversation over a connection that is there already: the library must not connect by itself."""

    def __init__(
        self, host: str, sock: socket.socket, wrap: Callable[[socket.socket], socket.socket], timeout_s: float
    ) -> None:
        self._made, self._wrap, self._said = sock, wrap, _Said()
        super().__init__(host, 1, local_hostname="localhost", timeout=timeout_s)

    def _get_socket(self, *_: object) -> socket.socket:
        """Give the connection that was made; over TLS where it begins so."""
        return self._wrap(self._made)

    def getreply(self) -> tuple[int, bytes]:
        """Read one reply; the library itself keeps every line of one that never ends."""
        if self.file is None:
            assert self.sock is not None
            self.file = _Replies(self.sock.makefile("rb"), self._said)
        return super().getreply()


@dataclass(slots=True)
class _Said:
    """How much a server said so far, in bytes."""

    size: int = 0


class _Replies:
    """What a server says, line by line, up to ``REPLIES_BYTES_MAX``; and then as though it had hung up."""

    def __init__(self, stream: IO[bytes], said: _Said) -> None:
        self._stream, self._said = stream, said

    def readline(self, most: int) -> bytes:
        """Give the next line."""
        line = self._stream.readline(most)
        self._said.size += len(line)
        if self._said.size > REPLIES_BYTES_MAX:
            raise OSError(f"its replies have more than {REPLIES_BYTES_MAX} bytes")
        return line

    def close(self) -> None:
        """Close the stream."""
        self._stream.close()


def _check(reply: tuple[int, bytes], step: str) -> int:
    """Give the status of a reply that goes on.

    Raises:
        SMTPResponseException: it does not.
    """
    status, text = reply
    if not 200 <= status < 300:
        raise smtplib.SMTPResponseException(status, f"{step}: {text[:200]!r}")
    return status


def _refused(message: str, code: str) -> EffectRefused:
    return EffectRefused(
        message, hint="mend the server or [effects.TYPE] in node.toml, then: bailiwick effects retry --dead", code=code
    )
