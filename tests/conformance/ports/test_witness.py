"""Every witness, in this process or behind HTTP, and what each remembers: the same answers, within limits."""

from __future__ import annotations

import errno
import hashlib
import socket
import threading
from pathlib import Path

import pytest

from bailiwick.adapters.disk_memory import MemoryDisk
from bailiwick.adapters.disk_system import SystemDisk
from bailiwick.adapters.witness_http import ANSWER_BYTES_MAX, HttpWitness
from bailiwick.adapters.witness_httpserver import (
    CALLERS_MAX,
    REQUEST_BYTES_MAX,
    WitnessServer,
    read_address,
    read_terms,
)
from bailiwick.adapters.witness_memory import MemoryWitness
from bailiwick.adapters.witnessmemory_folder import FolderWitnessMemory
from bailiwick.adapters.witnessmemory_memory import MemoryWitnessMemory
from bailiwick.errors import Unavailable, UsageRefused
from bailiwick.keys import COSIGNATURE, Signer, new_secret
from bailiwick.ledger import Cosigner
from bailiwick.testing import FaultyDisk, MemoryClock, fail

ORIGIN = "bailiwick/0123456789abcdef"
LOG = Signer(ORIGIN, new_secret(bytes(range(32))))
KEY = Signer("witness.example/w1", new_secret(bytes([1] * 32)), COSIGNATURE)
BODY = f"{ORIGIN}\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n".encode()


def request_of(body: bytes = BODY) -> bytes:
    """Give a request to cosign the empty tree."""
    import base64

    blob = base64.b64encode(LOG.verifier.key_id + LOG.sign(body)).decode()
    return b"old 0\n\n" + body + f"\n\u2014 {ORIGIN} {blob}\n".encode()


@pytest.fixture(params=["memory", "folder", "folder-on-a-disk-in-memory"])
def memory(request: pytest.FixtureRequest, tmp_path: Path):
    """Give each memory of a witness in turn, empty."""
    if request.param == "memory":
        yield MemoryWitnessMemory()
        return
    disk = SystemDisk() if request.param == "folder" else MemoryDisk()
    yield FolderWitnessMemory(tmp_path / "heads", disk)
    disk.close()


@pytest.fixture(params=["memory", "http", "https"])
def witness(request: pytest.FixtureRequest, certificate):
    """Give each way to a witness in turn."""
    inside = Cosigner(MemoryWitnessMemory(), KEY, [LOG.verifier], clock=MemoryClock())
    if request.param == "memory":
        yield MemoryWitness(inside)
        return
    tls = read_terms(certificate.certificate, certificate.key) if request.param == "https" else None
    with WitnessServer(inside, inside.origins(), host="127.0.0.1", port=0, tls=tls) as server:
        yield HttpWitness(server.url, certificates=certificate.certificate.read_text())


# --- every memory ---------------------------------------------------------------------------------------------------


def test_a_memory_gives_back_what_it_was_given_last(memory):
    """A witness would stand for another checkpoint than the newest."""
    with memory.exclusive(ORIGIN):
        assert memory.read(ORIGIN) == b""
        memory.write(ORIGIN, b"first")
        memory.write(ORIGIN, b"second, and longer")
    with memory.exclusive("another"):
        assert memory.read("another") == b""
    assert memory.read(ORIGIN) == b"second, and longer"


def test_only_one_at_a_time_holds_a_memory(memory):
    """Two requests would both be checked against the older checkpoint, and the smaller could come last."""
    entered, held = threading.Event(), []

    def enter() -> None:
        with memory.exclusive(ORIGIN):
            held.append(memory.read(ORIGIN))
        entered.set()

    with memory.exclusive(ORIGIN):
        thread = threading.Thread(target=enter)
        thread.start()
        assert not entered.wait(0.05)
        memory.write(ORIGIN, b"done")
    assert entered.wait(30)
    thread.join()
    assert held == [b"done"]


@pytest.mark.parametrize("after", range(1, 6))
def test_a_memory_that_fails_keeps_what_it_had_or_what_it_was_given(after, tmp_path):
    """A witness whose disk is full would forget what it stood for, and cosign a second past."""
    disk = MemoryDisk()
    memory = FolderWitnessMemory(tmp_path / "heads", disk)
    with memory.exclusive(ORIGIN):
        memory.write(ORIGIN, b"first")
    broken = FolderWitnessMemory(tmp_path / "heads", FaultyDisk(disk, after=after, fault=fail(errno.ENOSPC)))
    with pytest.raises(Unavailable):
        broken.write(ORIGIN, b"second")
    assert memory.read(ORIGIN) in {b"first", b"second"}


def test_a_memory_that_cannot_be_read_is_never_taken_for_empty(tmp_path):
    """A witness whose disk fails would begin anew, and cosign a second past."""
    path = tmp_path / "heads" / hashlib.sha256(ORIGIN.encode()).hexdigest()
    path.mkdir(parents=True)
    disk = SystemDisk()
    with pytest.raises(Unavailable):
        FolderWitnessMemory(tmp_path / "heads", disk).read(ORIGIN)
    disk.close()


# --- every witness --------------------------------------------------------------------------------------------------


def test_a_witness_cosigns_remembers_and_shows(witness):
    """A ledger would be witnessed in one way and not in another."""
    assert witness.checkpoint(ORIGIN) == b""
    answer = witness.add_checkpoint(request_of())
    assert (answer.status, answer.body.startswith("\u2014 witness.example/w1 ".encode())) == (200, True)
    assert witness.checkpoint(ORIGIN).endswith(answer.body)
    assert witness.checkpoint("bailiwick/other") == b""


@pytest.mark.parametrize(
    ("request_body", "status"),
    [
        (b"", 400),
        (b"old 0\n\nnonsense", 400),
        (request_of().replace(ORIGIN.encode(), b"bailiwick/other"), 404),
        (request_of().replace(b"47DE", b"47DF"), 403),
        (request_of().replace(b"old 0", b"old 1"), 400),
        (request_of().replace(b"old 0\n", b"old 0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"), 422),
    ],
)
def test_a_witness_refuses_with_the_same_status_everywhere(witness, request_body, status):
    """A log could not act on what a witness answers."""
    assert witness.add_checkpoint(request_body).status == status


# --- HTTP -----------------------------------------------------------------------------------------------------------


def talk(url: str, data: bytes) -> bytes:
    """Send bytes to a server, and give all that comes back."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(4_096), b""))


@pytest.fixture
def server():
    """Give a running server."""
    inside = Cosigner(MemoryWitnessMemory(), KEY, [LOG.verifier], clock=MemoryClock())
    with WitnessServer(inside, inside.origins(), host="127.0.0.1", port=0) as server:
        yield server


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", b"404"),
        (b"GET /../../etc/passwd HTTP/1.1\r\n\r\n", b"404"),
        (b"POST /else HTTP/1.1\r\nContent-Length: 0\r\n\r\n", b"404"),
        (b"POST /add-checkpoint HTTP/1.1\r\n\r\n", b"411"),
        (b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"411"),
        (b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (REQUEST_BYTES_MAX + 1), b"413"),
        (b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: 999999999999\r\n\r\n", b"413"),
        (b"DELETE /add-checkpoint HTTP/1.1\r\n\r\n", b"501"),
        (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", b"400"),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", b"414"),
    ],
)
def test_a_hostile_request_gets_an_error_and_the_server_goes_on(server, data, status):
    """One caller could stop a witness, or make it read without end."""
    assert status in talk(server.url, data).split(b"\r\n")[0] or status == b"400"
    assert HttpWitness(server.url).add_checkpoint(request_of()).status == 200


def test_a_cut_body_is_not_taken_for_a_request(server):
    """Half a request could be answered as if it were whole."""
    body = request_of()
    head = b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body)
    assert talk(server.url, head + body[:-5]) == b""
    assert HttpWitness(server.url).checkpoint(ORIGIN) == b""


def test_the_newest_checkpoint_is_where_the_specification_says(server):
    """A monitor that is not ours would not find it."""
    HttpWitness(server.url).add_checkpoint(request_of())
    path = f"/{hashlib.sha256(ORIGIN.encode()).hexdigest()}/checkpoint"
    answer = talk(server.url, f"GET {path} HTTP/1.1\r\nConnection: close\r\n\r\n".encode())
    assert answer.partition(b"\r\n\r\n")[2].startswith(BODY)


def test_callers_beyond_the_limit_are_turned_away(server):
    """A crowd of idle callers could take every thread of the machine."""
    host, port = server.url.removeprefix("http://").split(":")
    idle = [socket.create_connection((host, int(port)), timeout=30) for _ in range(CALLERS_MAX)]
    try:
        assert talk(server.url, b"GET / HTTP/1.1\r\n\r\n") == b""
    finally:
        for each in idle:
            each.close()


class Stub:
    """A server that says what it is told to, once, and then holds its breath."""

    def __init__(self, answer: bytes) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._answer = answer
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def _serve(self) -> None:
        connection, _ = self._socket.accept()
        with connection:
            connection.recv(65_536)
            try:
                connection.sendall(self._answer)
            except OSError:
                return
            self._over.wait(30)

    def close(self) -> None:
        """Stop."""
        self._over.set()
        self._thread.join()
        self._socket.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\n",
        b"not HTTP at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (ANSWER_BYTES_MAX + 1) + b"x" * (ANSWER_BYTES_MAX + 1),
        b"HTTP/1.1 99999 ?\r\n\r\n",
    ],
)
def test_a_witness_that_hangs_or_talks_nonsense_is_unavailable_in_time(answer):
    """A ledger's owner would wait for ever for somebody else's machine."""
    stub = Stub(answer)
    try:
        with pytest.raises(Unavailable) as refused:
            HttpWitness(stub.url, timeout_ms=200).add_checkpoint(request_of())
        assert refused.value.code == "witness-unreachable"
    finally:
        stub.close()


def test_nobody_at_the_address_is_unavailable():
    """A witness that is down would end the program."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(Unavailable):
        HttpWitness(url, timeout_ms=1_000).checkpoint(ORIGIN)


def test_a_redirect_is_not_followed():
    """A witness could make a node ask other machines of its network."""
    stub = Stub(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")
    try:
        assert HttpWitness(stub.url).add_checkpoint(request_of()).status == 302
    finally:
        stub.close()


@pytest.mark.parametrize(
    "url", ["", "file:///etc/passwd", "http://", "http://a b/", "ftp://x", "http://x:y/", "http://x/?q"]
)
def test_what_is_no_address_is_refused_before_anything_is_sent(url):
    """A slip in an address would be found only when a witness is needed."""
    with pytest.raises(UsageRefused):
        HttpWitness(url)


@pytest.mark.parametrize("text", ["", "8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:99999", "x:-1", "x:1_0"])
def test_an_address_to_listen_on_has_a_host_and_a_port(text):
    """A witness would listen where nobody meant it to."""
    with pytest.raises(UsageRefused):
        read_address(text)


def test_an_address_that_is_taken_is_unavailable(server):
    """A second witness would seem to start."""
    port = int(server.url.rpartition(":")[2])
    with pytest.raises(Unavailable):
        WitnessServer(
            MemoryWitness(Cosigner(MemoryWitnessMemory(), KEY, [], clock=MemoryClock())),
            [],
            host="127.0.0.1",
            port=port,
        )
