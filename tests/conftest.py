"""What holds for every test: examples are judged by what they show, and no test touches the keys of whoever runs it.

Beside it, the servers that some tests need: a real Postgres where Debian's package is installed, and an S3 stand-in.
"""

from __future__ import annotations

import datetime
import ipaddress
import logging
import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import settings

settings.register_profile("bailiwick", deadline=None, print_blob=True)
settings.load_profile("bailiwick")

KEY_VARIABLES = ("BAILIWICK_PASSPHRASE", "BAILIWICK_PASSPHRASE_FILE", "XDG_CONFIG_HOME")


@pytest.fixture(autouse=True, scope="session")
def keys_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the machine's key of test homes in a folder that goes away, and lock them with nothing else."""
    before = {name: os.environ.pop(name, None) for name in KEY_VARIABLES}
    os.environ["XDG_CONFIG_HOME"] = str(tmp_path_factory.mktemp("settings"))
    yield
    os.environ.pop("XDG_CONFIG_HOME")
    os.environ.update({name: value for name, value in before.items() if value is not None})


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate for this machine that vouches for itself, as PEM files."""

    certificate: Path
    key: Path


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """Give a certificate for 127.0.0.1 and localhost."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    start = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=36_500))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    made = Certificate(folder / "certificate.pem", folder / "key.pem")
    made.certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    made.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return made


POSTGRES_USER = "postgres"


@pytest.fixture(scope="session")
def postgres_url():
    """Give the address of a Postgres server of our own: a temporary folder, a socket in it, every flush real."""
    programs = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)
    if programs is None:
        pytest.skip("Postgres is not installed: apt-get install postgresql")
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'bailiwick[cluster]'")
    # The server refuses to run as root; whoever is not root is good enough.
    owner = {"user": POSTGRES_USER, "group": POSTGRES_USER, "extra_groups": []} if os.getuid() == 0 else {}
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    if owner:
        entry = pwd.getpwnam(POSTGRES_USER)
        os.chown(folder, entry.pw_uid, entry.pw_gid)

    def run(program, *words):
        command = [programs / program, "-D", folder / "data", *words]
        with (folder.parent / f"{folder.name}.log").open("ab") as log:
            subprocess.run(command, check=True, stdout=log, stderr=log, cwd="/", timeout=60, **owner)

    try:
        run("initdb", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-locale")
        run("pg_ctl", "-w", "-o", f"-k {folder} -c listen_addresses='' -c fsync=on", "start")
        yield f"postgresql://postgres@/postgres?host={folder}"
        run("pg_ctl", "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        (folder.parent / f"{folder.name}.log").unlink(missing_ok=True)


@pytest.fixture(scope="session")
def s3_endpoint():
    """Give the address of moto's server: the shapes of S3, and none of its promises."""
    server = pytest.importorskip("moto.server", reason="moto is not installed: pip install 'bailiwick[dev]'")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    moto = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    yield f"http://{host}:{port}"
    moto.stop()


@pytest.fixture
def s3_environment(monkeypatch, s3_endpoint):
    """Give the words by which any AWS tool finds that server, and none of this machine's own."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    words = {
        "AWS_ENDPOINT_URL_S3": s3_endpoint,
        "AWS_ACCESS_KEY_ID": "for-tests",
        "AWS_SECRET_ACCESS_KEY": "for-tests",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for name, value in words.items():
        monkeypatch.setenv(name, value)
    return words


@pytest.fixture
def s3_bucket(request, s3_environment):
    """Give the name of a new bucket whose objects can be locked."""
    import boto3

    name = f"ledger-{uuid.uuid4().hex[:12]}"
    client = boto3.client("s3")
    client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    client.close()
    return name
