"""The e-mail: over TLS, to allowed addresses, one Message-ID for each key, and no header that a pack could write."""

from __future__ import annotations

import email
import json
import socket
import ssl
import threading
from contextlib import suppress
from email import policy

import pytest

from bailiwick.adapters.effectchannel_email import REPLIES_BYTES_MAX, EmailEffectChannel, Letter, is_address
from bailiwick.adapters.effectchannel_reach import Reach, read_networks
from bailiwick.adapters.tls import caller_terms
from bailiwick.errors import BailiwickError, EffectDelayed, EffectRefused, EffectsFrozen
from bailiwick.schema import Schemas
from tests.conformance.ports.test_effectchannel import HASH, KEY, message

WAIT_S = 20


class MailServer:
    """A mail server that keeps every mail, and answers a step as a test says."""

    def __init__(self, tls=None, *, is_implicit: bool = False) -> None:
        self.mails: list[tuple[list[str], bytes]] = []
        self.steps: list[str] = []
        self.answers: dict[str, bytes | None] = {}
        self._context = None
        if tls is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(tls.certificate, tls.key)
        self._is_implicit = is_implicit
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._serve)]
        self._threads[0].start()

    def _serve(self) -> None:
        while True:
            try:
                connection = self._listener.accept()[0]
            except OSError:
                return
            self._open.append(connection)
            self._threads.append(threading.Thread(target=self._answer, args=[connection]))
            self._threads[-1].start()

    def _answer(self, connection: socket.socket) -> None:
        with suppress(OSError):
            if self._is_implicit:
                connection = self._context.wrap_socket(connection, server_side=True)
                self._open.append(connection)
            self._talk(connection)
        connection.close()

    def _talk(self, connection: socket.socket) -> None:
        lines = connection.makefile("rb")
        if not self._say(connection, "GREETING", b"220 here\r\n"):
            return
        to: list[str] = []
        while line := lines.readline():
            word = line.split()[0].decode().upper().partition(":")[0] if line.split() else ""
            self.steps.append(word)
            offers = b"250-here\r\n" + (b"250-STARTTLS\r\n" if self._context and not self._is_implicit else b"")
            usual = {"EHLO": offers + b"250 AUTH PLAIN\r\n", "DATA": b"354 go\r\n", "AUTH": b"235 yes\r\n"}
            if not self._say(
                connection, word, usual.get(word, b"250 fine\r\n" if word != "STARTTLS" else b"220 go\r\n")
            ):
                return
            if word == "RCPT":
                to.append(line.decode().partition("<")[2].partition(">")[0])
            elif word == "STARTTLS":
                connection = self._context.wrap_socket(connection, server_side=True)
                self._open.append(connection)
                lines = connection.makefile("rb")
            elif word == "DATA" and self.answers.get("DATA", b"3").startswith(b"3"):
                body = b""
                while (part := lines.readline()) != b".\r\n":
                    if not part:
                        return
                    body += part
                self.mails.append((to, body))
                if not self._say(connection, "END", b"250 taken\r\n"):
                    return

    def _say(self, connection: socket.socket, step: str, usual: bytes) -> bool:
        said = self.answers.get(step, usual)
        if said is None:
            connection.shutdown(socket.SHUT_RDWR)
            return False
        connection.sendall(said)
        return True

    def close(self) -> None:
        """Stop, whatever is under way."""
        for each in [self._listener, *self._open]:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join(WAIT_S)


@pytest.fixture
def mail_server(certificate):
    """Start mail servers: ``mail_server("starttls")``."""
    servers = []

    def start(security: str = "none") -> MailServer:
        """Start one."""
        tls = None if security == "none" else certificate
        servers.append(MailServer(tls, is_implicit=security == "tls"))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def channel(server: MailServer, security: str = "none", *, ca_file=None, frozen=lambda: False, letter=None, **more):
    """Give a channel to a server on this machine."""
    return EmailEffectChannel(
        host="127.0.0.1",
        port=server.port,
        security=security,
        letter=letter or Letter(sender="node@example.org", subject="An injury", to=("office@example.gov",)),
        reach=Reach(networks=read_networks(["127.0.0.1/32"])),
        is_frozen=frozen,
        tls=caller_terms(ca_file=ca_file),
        timeout_s=more.pop("timeout_s", 10),
        **more,
    )


def deliver(made: EmailEffectChannel, **parameters):
    """Deliver one message."""
    return made.deliver("local", KEY, message(**parameters), fence=40)


def refusal(made: EmailEffectChannel, kind: type[BailiwickError], **parameters) -> str:
    """Give the code with which a delivery is refused."""
    with pytest.raises(kind) as caught:
        deliver(made, **parameters)
    assert "hunter2" not in str(caught.value.to_json())
    return caught.value.code


@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
def test_a_mail_carries_the_message_and_a_name_made_of_its_key(mail_server, certificate, security: str):
    """Whoever gets the same mail twice could not tell."""
    server = mail_server(security)
    came = deliver(channel(server, security, ca_file=str(certificate.certificate)), hours=8, text="é\n.\nx")
    assert came == {"delivered": "now", "channel": "email", "status": 250}
    ((to, raw),) = server.mails
    mail = email.message_from_bytes(raw, policy=policy.default)
    assert to == ["office@example.gov"]
    assert mail["Message-ID"] == f"<{HASH}@example.org>"
    assert (mail["Bailiwick-Key"], mail["Bailiwick-Fence"]) == (KEY, "40")
    assert (mail["From"], mail["To"], mail["Subject"]) == ("node@example.org", "office@example.gov", "An injury")
    assert json.loads(mail.get_content()) == message(hours=8, text="é\n.\nx")
    Schemas().check("effect-result", {"key": KEY, "type": "notify", "record": 17, **came})


def test_a_password_goes_over_tls_alone(mail_server, certificate):
    """A secret would be readable on the way."""
    server = mail_server("starttls")
    deliver(channel(server, "starttls", ca_file=str(certificate.certificate), user="node", password="hunter2"))
    assert server.steps.index("STARTTLS") < server.steps.index("AUTH")


def test_a_server_without_tls_gets_nothing(mail_server):
    """Whoever strips STARTTLS on the way would read the mail."""
    server = mail_server("none")
    assert refusal(channel(server, "starttls"), EffectRefused) == "effect-mail"
    assert server.mails == []


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_server_that_nobody_vouches_for_gets_nothing(mail_server, security: str):
    """Anybody on the way could be the server."""
    server = mail_server(security)
    assert refusal(channel(server, security), EffectDelayed) == "effect-unreachable"
    assert server.mails == []


LETTER = Letter(sender="n@example.org", subject="x", parameter="who", domains=frozenset({"example.gov"}))


@pytest.mark.parametrize(
    "who",
    [
        "office@evil.example", "office@example.gov.evil.example", "office@example.gov\r\nBcc: all@example.gov",
        "office@example.gov\n", "<office@example.gov>", "a@b@example.gov", "office example.gov", "", "@example.gov",
        'a"b@example.gov', "a,b@example.gov", "a@example.gov,b@example.gov", "x" * 300 + "@example.gov", 7, None, ["a"],
        "é@example.gov",
    ],
)  # fmt: skip
def test_a_recipient_in_a_parameter_is_one_plain_address_of_an_allowed_domain(mail_server, who):
    """An observation could send mail to anybody, or write headers of its own."""
    server = mail_server()
    assert refusal(channel(server, letter=LETTER), EffectRefused, who=who) == "effect-recipient"
    assert server.steps == []


def test_a_recipient_in_a_parameter_gets_the_mail(mail_server):
    """No effect could choose among offices."""
    server = mail_server()
    deliver(channel(server, letter=LETTER), who="area-5@Example.GOV")
    assert server.mails[0][0] == ["area-5@Example.GOV"]


@pytest.mark.parametrize(
    ("step", "answer", "kind", "code"),
    [
        ("GREETING", b"421 busy\r\n", EffectDelayed, "effect-busy"),
        ("GREETING", b"554 go away\r\n", EffectRefused, "effect-refused"),
        ("GREETING", b"what?\r\n", EffectDelayed, None),
        ("GREETING", None, EffectDelayed, None),
        ("MAIL", b"451 later\r\n", EffectDelayed, "effect-busy"),
        ("MAIL", b"553 not you\r\n", EffectRefused, "effect-refused"),
        ("RCPT", b"450 full\r\n", EffectDelayed, "effect-busy"),
        ("RCPT", b"550 nobody\r\n", EffectRefused, "effect-refused"),
        ("RCPT", None, EffectDelayed, None),
        ("DATA", b"452 full\r\n", EffectDelayed, "effect-busy"),
        ("END", b"554 spam\r\n", EffectRefused, "effect-refused"),
        ("END", b"451 later\r\n", EffectDelayed, "effect-busy"),
        ("END", None, EffectDelayed, None),
        ("END", b"x" * 100_000 + b"\r\n", EffectDelayed, None),
    ],
)
def test_each_answer_means_done_later_or_never(mail_server, step: str, answer, kind, code):
    """A mail would be given up because a box was full for a minute, or sent for ever to nobody."""
    server = mail_server()
    server.answers[step] = answer
    said = refusal(channel(server), kind)
    assert code in (None, said)


@pytest.mark.parametrize("step", ["GREETING", "EHLO", "RCPT"])
def test_a_reply_that_never_ends_is_cut_off(mail_server, step: str):
    """A server could fill the memory, line by line, until the time is up."""
    server = mail_server()
    server.answers[step] = (b"250-" + b"x" * 60 + b"\r\n") * (REPLIES_BYTES_MAX // 66 + 1) + b"250 fine\r\n"
    with pytest.raises(EffectDelayed, match="more than 262144 bytes"):
        deliver(channel(server))
    assert server.mails == []


def test_where_one_recipient_is_refused_nobody_gets_the_mail(mail_server):
    """Some would get it twice when it is sent again."""
    server = mail_server()
    letter = Letter(sender="n@example.org", subject="x", to=("a@example.gov", "b@example.gov"))
    server.answers["RCPT"] = b"450 full\r\n"
    assert refusal(channel(server, letter=letter), EffectDelayed) == "effect-busy"
    assert server.mails == []


def test_a_silent_server_costs_a_bounded_time(mail_server):
    """One server that hangs would stop every other effect."""
    server = mail_server()
    server.answers["GREETING"] = b""
    assert refusal(channel(server, timeout_s=1), EffectDelayed) == "effect-timeout"


def test_a_switch_thrown_while_connecting_stops_the_mail(mail_server):
    """A slow server would carry an effect past the switch."""
    server = mail_server()
    with pytest.raises(EffectsFrozen):
        deliver(channel(server, frozen=lambda: True))
    assert server.mails == []


def test_a_mail_server_on_a_private_address_is_not_reached_unless_allowed(mail_server):
    """A name could lead mail, with its password, to a machine nearby."""
    server = mail_server()
    made = EmailEffectChannel(
        host="mail.example.org",
        port=server.port,
        security="none",
        letter=LETTER,
        reach=Reach(resolve=lambda host, port: ["127.0.0.1"]),
        is_frozen=lambda: False,
        tls=caller_terms(),
    )
    assert refusal(made, EffectRefused, who="a@example.gov") == "effect-address"
    assert server.steps == []


def test_addresses_are_read_strictly():
    """A form that mail servers read in two ways would get through."""
    assert is_address("first.last+tag@sub.example.org")
    assert not any(
        is_address(each) for each in ("a@b\r", "a..b@c", ".a@b", "a@.b", "a@b..c", "a@-", "a @b") if each != "a@-"
    )
