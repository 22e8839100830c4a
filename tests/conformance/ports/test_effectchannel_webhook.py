"""The webhook: signed, once for each key, to allowed places alone, whatever the receiver does."""

from __future__ import annotations

import base64
import hashlib
import hmac
import socket
import threading

import pytest

from bailiwick.adapters import tls
from bailiwick.adapters.effectchannel_reach import Reach, read_networks
from bailiwick.adapters.effectchannel_signature import sign_by_key, sign_by_secret
from bailiwick.adapters.effectchannel_webhook import ANSWER_BYTES_MAX, Target, WebhookEffectChannel, fixed_target
from bailiwick.adapters.tls import Allowance, caller_terms
from bailiwick.canonical import canonical_bytes
from bailiwick.errors import (
    BailiwickError,
    EffectDelayed,
    EffectFenced,
    EffectRefused,
    EffectsFrozen,
    Unavailable,
    UsageRefused,
)
from bailiwick.keys import Signer, new_secret
from bailiwick.schema import Schemas
from bailiwick.testing import EffectReceiver, MemoryClock, by_key, by_secret
from tests.conformance.ports.test_effectchannel import HASH, KEY, OTHER, message

SECRET = b"sixteen characters or more"
HERE = read_networks(["127.0.0.0/8"])


def webhook(url: str, *, timeout_s: int = 10, networks=HERE, resolve=None, frozen=lambda: False, ca_file=None, **more):
    """Give a channel to a URL on this machine."""
    reach = Reach(networks=networks) if resolve is None else Reach(networks=networks, resolve=resolve)
    return WebhookEffectChannel(
        target=more.pop("target", None) or fixed_target(url, [], is_plain_allowed=True),
        sign=more.pop("sign", sign_by_secret(SECRET)),
        reach=reach,
        clock=MemoryClock(),
        is_frozen=frozen,
        tls=caller_terms(ca_file=ca_file),
        timeout_s=timeout_s,
    )


def deliver(channel, key: str = KEY, fence: int = 40, **parameters):
    """Deliver one message."""
    return channel.deliver("local", key, message(key, **parameters), fence=fence)


def refusal(channel, kind: type[BailiwickError], **parameters) -> str:
    """Give the code with which a delivery is refused."""
    with pytest.raises(kind) as caught:
        deliver(channel, **parameters)
    assert SECRET.decode() not in str(caught.value.to_json())
    return caught.value.code


# --- a receiver that does as it should ------------------------------------------------------------------------------


def test_an_act_happens_once_at_a_receiver_that_honours_keys():
    """Asking again after a crash would act twice."""
    with EffectReceiver(is_signed=by_secret(SECRET)) as receiver:
        channel = webhook(receiver.url)
        assert deliver(channel) == {"delivered": "now", "channel": "webhook", "status": 202}
        assert deliver(channel)["delivered"] == "before"
        assert deliver(channel, OTHER)["delivered"] == "now"
    assert receiver.acts == {each: canonical_bytes(message(each)) + b"\n" for each in (KEY, OTHER)}


def test_what_came_of_it_can_stand_in_a_record():
    """The result of an effect could not be recorded."""
    with EffectReceiver(is_signed=by_secret(SECRET)) as receiver:
        came = deliver(webhook(receiver.url))
    Schemas().check("effect-result", {"key": KEY, "type": "notify", "record": 17, "fence": 3, **came})


def test_a_receiver_that_heard_of_a_newer_executor_takes_nothing_from_an_older_one():
    """A delivery that was held up on the way would act after its successor's."""
    with EffectReceiver(is_signed=by_secret(SECRET)) as receiver:
        deliver(webhook(receiver.url), fence=41)
        with pytest.raises(EffectFenced):
            deliver(webhook(receiver.url), OTHER, fence=40)
    assert set(receiver.acts) == {KEY}


def test_ten_lines_check_the_signature(receiver):
    """Receivers could not be written from the documentation."""
    deliver(webhook(receiver.url))
    (request,) = receiver.requests
    h = {name.lower(): value for name, value in request.headers.items()}
    signed = f"{h['bailiwick-time']}\n{h['idempotency-key']}\n{h['bailiwick-fence']}\n".encode() + request.body
    wanted = "hmac-sha256=" + hmac.new(SECRET, signed, hashlib.sha256).hexdigest()
    assert hmac.compare_digest(wanted, h["bailiwick-signature"])
    assert h["content-type"] == "application/json"
    assert (h["idempotency-key"], h["bailiwick-fence"]) == (KEY, "40")


def test_a_public_key_checks_the_signature_too():
    """A receiver would have to keep a secret, although it only has to check."""
    signer = Signer("bailiwick/x/effects", new_secret(bytes(32)))
    with EffectReceiver(is_signed=by_key(signer.verifier)) as receiver:
        assert deliver(webhook(receiver.url, sign=sign_by_key(signer)))["delivered"] == "now"
        other = Signer("bailiwick/x/effects", new_secret(b"1" * 32))
        assert refusal(webhook(receiver.url, sign=sign_by_key(other)), EffectRefused) == "effect-refused"
    assert receiver.refused == [401]


@pytest.mark.parametrize("header", ["Bailiwick-Time", "Idempotency-Key", "Bailiwick-Fence", "Bailiwick-Signature"])
def test_whatever_is_signed_cannot_be_changed(receiver, header: str):
    """Somebody on the way could replay an act under another key, time or fence."""
    deliver(webhook(receiver.url))
    (request,) = receiver.requests
    judge = EffectReceiver(is_signed=by_secret(SECRET))
    judge._server.server_close()
    names = ("Bailiwick-Time", "Idempotency-Key", "Bailiwick-Fence", "Bailiwick-Signature")
    whole = {name: request.headers[name.lower()] for name in names}
    headers = {**whole, header: whole[header][:-1] + "9x"}
    assert judge.take(headers, request.body) == (401, False)
    assert judge.take(whole, request.body + b" ") == (401, False)
    assert judge.take(whole, request.body) == (202, False)


# --- receivers that do as they like ---------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 410, 413, 418, 422, 451])
def test_a_refusal_is_for_good(receiver, status: int):
    """A receiver that said no would be asked again and again."""
    receiver.reply = lambda _: (status, {}, b"no")
    assert refusal(webhook(receiver.url), EffectRefused) == "effect-refused"


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 599])
def test_a_busy_receiver_is_asked_again(receiver, status: int):
    """An effect would be given up because somebody restarted a server."""
    receiver.reply = lambda _: (status, {"Retry-After": "17"}, b"later")
    with pytest.raises(EffectDelayed) as caught:
        deliver(webhook(receiver.url))
    assert (caught.value.code, caught.value.retry_after_s) == ("effect-busy", 17)


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_a_redirect_is_never_followed(receiver, status: int):
    """A receiver could send a signed message on to wherever it likes."""
    receiver.reply = lambda _: (status, {"Location": receiver.url + "/elsewhere"}, b"")
    assert refusal(webhook(receiver.url), EffectRefused) == "effect-redirected"
    assert receiver.paths() == ["/"]


def talks(answer: bytes):
    """Give a talk that answers with some bytes and closes."""

    def talk(connection: socket.socket) -> None:
        """Read the request and answer."""
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(65_536)
        connection.sendall(answer)

    return talk


LIES = {
    "garbage": b"this is no HTTP at all\r\n\r\n",
    "nothing": b"",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "too long a length": b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort",
    "half a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\nshort",
    "a length that is none": b"HTTP/1.1 2oo OK\r\n\r\n",
    "a huge header": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
    "a thousand headers": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1_000 + b"\r\n",
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_an_answer_that_is_not_whole_is_not_believed(serve, lie: bytes):
    """A proxy that died half-way would count as a receiver that had acted."""
    server = serve(talks(lie))
    assert refusal(webhook(f"http://127.0.0.1:{server.port}/"), EffectDelayed) == "effect-answer"


def test_a_whole_answer_is_believed_whatever_its_body_says(serve):
    """A receiver would have to speak a language of ours to be believed."""
    server = serve(talks(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n\xff\x00garbage"))
    assert deliver(webhook(f"http://127.0.0.1:{server.port}/"))["delivered"] == "now"


def test_a_huge_answer_is_cut_off(serve):
    """A receiver could fill this node's memory."""
    endless = threading.Event()

    def talk(connection: socket.socket) -> int:
        """Answer until the other side has enough."""
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        sent = 0
        try:
            while not endless.is_set():
                sent += connection.send(b"x" * 65_536)
        except OSError:
            return sent
        return sent

    server = serve(talk)
    assert refusal(webhook(f"http://127.0.0.1:{server.port}/"), EffectDelayed) == "effect-answer"
    endless.set()
    assert server.talk() >= ANSWER_BYTES_MAX


@pytest.mark.parametrize(
    "pieces",
    [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n\r\n"],
    ids=["silent", "drips a head", "drips a body"],
)
def test_a_slow_receiver_costs_a_bounded_time(serve, pieces: bytes):
    """One receiver that never answers would stop all others."""
    over = threading.Event()

    def talk(connection: socket.socket) -> None:
        """Drip for ever."""
        connection.recv(65_536)
        connection.sendall(pieces)
        while pieces and not over.wait(0.05):
            connection.sendall(b"x")
        over.wait(20)

    server = serve(talk)
    assert refusal(webhook(f"http://127.0.0.1:{server.port}/", timeout_s=1), EffectDelayed) == "effect-timeout"
    over.set()


def test_all_steps_of_a_request_share_one_time(receiver, monkeypatch):
    """A receiver that is slow at each step would hold all others up for several times as long as the settings say."""
    now = [0.0]
    monkeypatch.setattr(tls.time, "monotonic", lambda: now[0])

    def resolve(host: str, port: int) -> list[str]:
        """Take all the time there is."""
        now[0] += 10
        return ["127.0.0.1"]

    assert refusal(webhook(receiver.url, resolve=resolve), EffectDelayed) == "effect-timeout"
    assert receiver.paths() == []


def test_a_receiver_that_is_not_there_is_tried_again():
    """An effect would be given up because its receiver starts later than this node."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert refusal(webhook(f"http://127.0.0.1:{port}/"), EffectDelayed) == "effect-unreachable"


# --- where effects may go -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.9.9.9", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
        "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1",
        "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:a9fe:a9fe", "2002:7f00:1::",
        "64:ff9b::7f00:1", "64:ff9b:1::a00:1", "2001:db8::1", "2001:0:1::", "fe80::1%lo", "no address",
        "::7f00:1", "::ffff:0:7f00:1", "fec0::1", "4000::1",
    ],
)  # fmt: skip
def test_nothing_goes_to_an_address_that_is_not_public(address: str):
    """A name could lead effects to this machine, its network, or a cloud's own secrets."""
    channel = webhook("https://hooks.example.org/x", networks=(), resolve=lambda host, port: [address])
    assert refusal(channel, EffectRefused) == "effect-address"


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "2002:5db8:d822::"])
def test_public_addresses_are_allowed(address: str):
    """No effect would ever leave."""
    assert Reach().is_allowed(address)


def test_a_network_that_the_settings_name_is_allowed_and_no_other():
    """A node could not reach its own office, or could reach all of it."""
    reach = Reach(networks=read_networks(["10.1.0.0/16", "fd00::/8"]))
    allowed = ["10.1.2.3", "fd00::1", "::ffff:10.1.2.3"]
    assert [reach.is_allowed(each) for each in allowed] == [True] * 3
    assert [reach.is_allowed(each) for each in ("10.2.0.1", "127.0.0.1", "fe80::1")] == [False] * 3
    with pytest.raises(UsageRefused):
        read_networks(["10.1.0.1/16"])


def test_the_address_that_was_looked_at_is_the_one_that_is_connected_to(receiver):
    """A name could resolve to a public address when it is looked at, and to this machine a moment later."""
    port = int(receiver.url.rpartition(":")[2])
    answers = iter([["93.184.216.34"]])
    asked = []

    def resolve(host: str, port: int) -> list[str]:
        """Change the answer after the first time."""
        asked.append(host)
        return next(answers, ["127.0.0.1"])

    reach = Reach(networks=(), resolve=resolve)
    connected = []
    original = socket.create_connection

    def create_connection(address, timeout=None):
        """Note where it goes, and go nowhere."""
        connected.append(address)
        raise OSError("not from a test")

    socket.create_connection = create_connection
    try:
        with pytest.raises(EffectDelayed):
            reach.connect("rebind.example.org", port, Allowance(1))
    finally:
        socket.create_connection = original
    assert connected == [("93.184.216.34", port)]
    assert asked == ["rebind.example.org"]


def test_mixed_answers_lead_to_the_public_address_alone(receiver):
    """A name with a public and a private address would reach the private one when the public one is down."""
    reach = Reach(networks=HERE, resolve=lambda host, port: ["10.0.0.1", "127.0.0.1"])
    port = int(receiver.url.rpartition(":")[2])
    with reach.connect("both.example.org", port, Allowance(5)) as connection:
        assert connection.getpeername() == ("127.0.0.1", port)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("https://evil.example.com/x", "effect-host"),
        ("https://hooks.example.org.evil.com/", "effect-host"),
        ("https://hooks.example.org@evil.com/", "effect-url"),
        ("http://hooks.example.org/", "effect-url"),
        ("file:///etc/passwd", "effect-url"),
        ("ftp://hooks.example.org/", "effect-url"),
        ("gopher://hooks.example.org:25/", "effect-url"),
        ("https://hooks.example.org/\r\nX: y", "effect-url"),
        ("https://hooks.example.org/a b", "effect-url"),
        ("https://hooks.example.org:99999/", "effect-url"),
        ("https://hooks.example.org:8443/", "effect-host"),
        ("https://hooks.example.org:22/", "effect-host"),
        ("https://[::1/", "effect-url"),
        ("https:///x", "effect-url"),
        ("https://hööks.example.org/", "effect-url"),
        ("x" * 3_000, "effect-url"),
        (17, "effect-url"),
        (None, "effect-url"),
    ],
)
def test_a_url_in_a_parameter_leads_to_allowed_hosts_alone(url, code: str):
    """Whoever writes an observation could choose where a signed message goes."""
    target = Target(parameter="callback", hosts=frozenset({"hooks.example.org"}))
    channel = webhook("", target=target, resolve=lambda host, port: pytest.fail("it was looked up"))
    parameters = {} if url is None else {"callback": url}
    assert refusal(channel, EffectRefused, **parameters) == code


def test_a_url_in_a_parameter_is_posted_to(receiver):
    """Nobody could give an effect its own address."""
    own = receiver.url.removeprefix("http://").partition("/")[0]
    target = Target(parameter="callback", hosts=frozenset({own}), is_plain_allowed=True)
    came = deliver(webhook("", target=target), callback=f"{receiver.url}/case?id=7")
    assert (came["delivered"], receiver.paths()) == ("now", ["/case?id=7"])


@pytest.mark.parametrize(
    "url", ["http://hooks.example.org/", "hooks.example.org", "https://u:p@hooks.example.org/", ""]
)
def test_a_url_in_the_settings_is_looked_at_when_they_are_read(url: str):
    """A slip would be found only when the first effect is given up."""
    with pytest.raises(UsageRefused) as caught:
        fixed_target(url, [], is_plain_allowed=False)
    assert caught.value.code == "effect-settings"


# --- TLS and the switch ---------------------------------------------------------------------------------------------


def test_tls_is_verified(tls_receiver, certificate):
    """Anybody on the way could read and answer."""
    assert refusal(webhook(tls_receiver.url), EffectDelayed) == "effect-certificate"
    assert tls_receiver.requests == []
    channel = webhook(tls_receiver.url, ca_file=str(certificate.certificate))
    assert deliver(channel)["delivered"] == "now"


def test_tls_is_verified_for_the_name_and_not_the_address(tls_receiver, certificate):
    """A certificate of one host would do for another at the same address."""
    port = tls_receiver.url.rpartition(":")[2]
    channel = webhook(
        f"https://other.example.org:{port}/",
        ca_file=str(certificate.certificate),
        resolve=lambda host, port: ["127.0.0.1"],
    )
    assert refusal(channel, EffectDelayed) == "effect-certificate"
    assert tls_receiver.requests == []


def test_a_switch_thrown_while_connecting_stops_the_message(receiver):
    """A slow name or handshake would carry an effect past the switch."""
    with pytest.raises(EffectsFrozen):
        deliver(webhook(receiver.url, frozen=lambda: True))
    assert receiver.requests == []


def test_an_unknown_name_is_tried_again():
    """A resolver that is down for a minute would give effects up."""

    def resolve(host: str, port: int) -> list[str]:
        """Fail."""
        raise socket.gaierror(socket.EAI_AGAIN, "try again")

    with pytest.raises(Unavailable):
        deliver(webhook("https://hooks.example.org/", resolve=resolve))


def test_signatures_are_what_the_documentation_says():
    """Every receiver that was ever written would refuse us."""
    data = b"2026-01-02T03:04:05.000000006Z\n" + KEY.encode() + b"\n40\n{}\n"
    assert sign_by_secret(b"secret")(data) == "hmac-sha256=" + hmac.new(b"secret", data, "sha256").hexdigest()
    signer = Signer("x", new_secret(bytes(32)))
    assert base64.b64decode(sign_by_key(signer)(data).removeprefix("ed25519=")) == signer.sign(data)
    assert len(HASH) == 64
