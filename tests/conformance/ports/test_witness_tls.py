"""A witness over TLS: who is believed, who is served, and callers that never get as far as HTTP."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import suppress

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bailiwick.adapters.disk_system import SystemDisk
from bailiwick.adapters.tls import caller_terms
from bailiwick.adapters.witness_http import HttpWitness, read_certificates
from bailiwick.adapters.witness_httpserver import CALLERS_MAX, WitnessServer, read_terms
from bailiwick.adapters.witnessmemory_memory import MemoryWitnessMemory
from bailiwick.errors import Unavailable, UsageRefused
from bailiwick.keys import COSIGNATURE, Signer, new_secret
from bailiwick.ledger import Cosigner
from bailiwick.testing import MemoryClock

ORIGIN = "bailiwick/0123456789abcdef"
LOG = Signer(ORIGIN, new_secret(bytes(range(32))))
KEY = Signer("witness.example/w1", new_secret(bytes([1] * 32)), COSIGNATURE)
BYTES_MAX = 10_000


@pytest.fixture
def serving(certificate):
    """Give a function that starts a server over TLS on an address of this machine."""
    started = []

    def start(host: str = "127.0.0.1") -> WitnessServer:
        inside = Cosigner(MemoryWitnessMemory(), KEY, [LOG.verifier], clock=MemoryClock())
        tls = read_terms(certificate.certificate, certificate.key)
        server = WitnessServer(inside, inside.origins(), host=host, port=0, tls=tls)
        started.append(server.__enter__())
        return server

    yield start
    for server in started:
        server.__exit__()


@pytest.fixture
def server(serving):
    """Give a running server over TLS."""
    return serving()


@pytest.fixture
def believing(certificate):
    """Give a function that gives the witness at an address, believing in its certificate."""
    return lambda url, **more: HttpWitness(url, certificates=certificate.certificate.read_text(), **more)


def call(server) -> socket.socket:
    """Connect to a server, without TLS."""
    return socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=30)


def heard(connection) -> bytes:
    """Give all that comes until the other side hangs up, however it does."""
    data = b""
    with suppress(ConnectionError):
        while more := connection.recv(4_096):
            data += more
    return data


def test_a_certificate_that_nobody_vouches_for_is_not_believed(server):
    """Anybody on the way could hold back a witness's answers, and look like the witness."""
    with pytest.raises(Unavailable) as refused:
        HttpWitness(server.url).checkpoint(ORIGIN)
    assert (refused.value.code, "certificate" in refused.value.message) == ("witness-unreachable", True)


def test_a_certificate_for_another_name_is_not_believed(serving, believing):
    """One witness's certificate would open every other's door."""
    with pytest.raises(Unavailable) as refused:
        believing(serving("127.0.0.2").url).checkpoint(ORIGIN)
    assert "127.0.0.2" in refused.value.message


def test_a_connection_is_never_older_than_the_second_last_version_of_tls(server, certificate):
    """A caller could be talked down to a version that is broken."""
    terms = caller_terms(certificates=certificate.certificate.read_text())
    assert terms.minimum_version is ssl.TLSVersion.TLSv1_2
    assert (terms.check_hostname, terms.verify_mode) == (True, ssl.CERT_REQUIRED)
    with terms.wrap_socket(call(server), server_hostname="localhost") as session:
        assert session.version() in {"TLSv1.2", "TLSv1.3"}


# A ClientHello of TLS 1.0, which offers nothing newer: its version and one old suite, without extensions.
OLD_HELLO = b"\x16\x03\x01\x00\x2d\x01\x00\x00\x29\x03\x01" + bytes(32) + b"\x00\x00\x02\xc0\x13\x01\x00"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x40\x00" + bytes(0x4000),
        b"\x16\x03\x01\x00\x02\x01\x00",
        b"\x80" * 70_000,
        OLD_HELLO,
    ],
)
def test_a_caller_that_does_not_agree_on_tls_gets_nothing_and_the_server_goes_on(server, believing, data):
    """One caller could stop a witness before a request was read, or be answered in the clear."""
    with call(server) as connection:
        with suppress(OSError):
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
        answer = heard(connection)
    assert b"HTTP" not in answer
    assert len(answer) < 100, "at most an alert"
    assert believing(server.url).checkpoint(ORIGIN) == b""


def test_callers_that_never_begin_tls_hold_up_nobody_else(server, believing):
    """A handful of silent callers could keep everybody from being served: TLS is agreed on in each one's own thread."""
    idle = [call(server) for _ in range(CALLERS_MAX // 2)]
    try:
        assert believing(server.url).checkpoint(ORIGIN) == b""
    finally:
        for each in idle:
            each.close()


def test_a_caller_that_leaves_in_the_middle_gives_its_place_back(server, believing):
    """Callers who hang up during TLS would use up the places one by one."""
    for _ in range(CALLERS_MAX + 1):
        with call(server) as connection:
            with suppress(OSError):
                connection.sendall(OLD_HELLO[:20])
                connection.shutdown(socket.SHUT_WR)
            heard(connection)
    assert believing(server.url).checkpoint(ORIGIN) == b""


@pytest.mark.parametrize("data", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"\x16\x03\x03"])
def test_a_witness_that_never_agrees_on_tls_is_unavailable_in_time(believing, data):
    """A ledger's owner would wait for ever before a word was said, or take an answer in the clear for one."""
    over = threading.Event()

    def answer(listener):
        connection, _ = listener.accept()
        with connection:
            connection.sendall(data)
            over.wait(30)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, args=[listener])
        thread.start()
        with pytest.raises(Unavailable):
            believing(f"https://127.0.0.1:{listener.getsockname()[1]}", timeout_ms=200).checkpoint(ORIGIN)
        over.set()
        thread.join()


@pytest.mark.parametrize("fault", ["no-key", "no-certificate", "missing", "garbage", "another-key", "passphrase"])
def test_a_certificate_that_cannot_be_served_under_is_refused_at_once(certificate, tmp_path, fault):
    """A witness would start, and turn every caller away; or ask at the terminal for a passphrase, for ever."""
    chain, key = certificate.certificate, tmp_path / "key.pem"
    lock = serialization.BestAvailableEncryption(b"secret") if fault == "passphrase" else serialization.NoEncryption()
    pem = serialization.load_pem_private_key(certificate.key.read_bytes(), None)
    if fault == "another-key":
        pem = ec.generate_private_key(ec.SECP256R1())
    key.write_bytes(pem.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock))
    if fault == "garbage":
        key.write_bytes(b"garbage")
    given = {"no-key": (chain, None), "no-certificate": (None, key), "missing": (chain, tmp_path / "none")}
    with pytest.raises(UsageRefused) as refused:
        read_terms(*given.get(fault, (chain, key)))
    assert refused.value.code == "witness-tls"


def test_a_server_without_a_certificate_is_in_the_clear_and_says_so():
    """An address would promise what is not there."""
    assert read_terms(None, None) is None
    inside = Cosigner(MemoryWitnessMemory(), KEY, [], clock=MemoryClock())
    with WitnessServer(inside, [], host="127.0.0.1", port=0) as server:
        assert server.url.startswith("http://")


@pytest.mark.parametrize("data", [b"", b"  \n", b"garbage", b"\xff", b"-----BEGIN CERTIFICATE-----\nAA\n", None])
def test_a_file_without_certificates_is_not_believed_by(tmp_path, data):
    """A slip would be found only when a witness is needed, or leave nobody to be believed."""
    path, disk = tmp_path / "ca.pem", SystemDisk()
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(UsageRefused) as refused:
        read_certificates(disk, path, BYTES_MAX)
    disk.close()
    assert refused.value.code == "witness-tls"


def test_a_file_of_certificates_has_a_limit(certificate, tmp_path):
    """Any file could be read into memory whole."""
    path, disk = tmp_path / "ca.pem", SystemDisk()
    path.write_bytes(certificate.certificate.read_bytes() * 30)
    assert read_certificates(disk, certificate.certificate, BYTES_MAX).startswith("-----BEGIN")
    with pytest.raises(UsageRefused):
        read_certificates(disk, path, BYTES_MAX)
    disk.close()
