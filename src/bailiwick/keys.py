"""Ed25519 keys in the text forms of C2SP signed-note: who signs, and who can check it.

A verifier key reads ``name+hash+key``: the signer's name, 8 hexadecimal digits of key id, and base64 of ``0x01`` and
the public key. Base64 is read strictly: a text that another text also decodes to would let one byte change unseen.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from bailiwick.errors import NotTrusted, UsageRefused

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SEED_BYTES = 32
PUBLIC_BYTES = 32
SIGNATURE_BYTES = 64
VERIFIER_CHARACTERS_MAX = 300
"""Longest verifier key that is read, in characters."""
NAME_PATTERN = re.compile(r"[!-*,-~]{1,200}\Z")
"""A signer's name: printable ASCII without spaces and without ``+``, at most 200 characters."""

ED25519 = b"\x01"
"""Type of a key that signs notes (C2SP signed-note)."""
COSIGNATURE = b"\x04"
"""Type of a key that cosigns checkpoints with a time (C2SP tlog-cosignature, Ed25519)."""
_HASH_PATTERN = re.compile(r"[0-9a-f]{8}\Z")


def decode_base64(text: str) -> bytes:
    """Read standard base64 that is exactly what encoding its bytes gives.

    Raises:
        ValueError: another alphabet, white space, missing padding, or unused bits that are set.

    >>> decode_base64("AB==")
    Traceback (most recent call last):
    ...
    ValueError: 'AB==' is not canonical base64
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"{text[:80]!r} is not base64") from error
    if base64.b64encode(data).decode("ascii") != text:
        raise ValueError(f"{text[:80]!r} is not canonical base64")
    return data


def check_name(name: str) -> str:
    """Give a signer's name back if it can stand in a note.

    Raises:
        UsageRefused: empty, too long, or with a space, a ``+`` or a character beyond ASCII.
    """
    if not NAME_PATTERN.match(name):
        raise UsageRefused(
            f"{name[:80]!r} cannot be the name of a key",
            hint="use 1 to 200 printable ASCII characters without spaces and without +",
            code="key-name",
        )
    return name


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifier:
    """Checks the signatures of one key. ``public``: 32 bytes as in RFC 8032; ``kind``: what it signs."""

    name: str
    public: bytes
    kind: bytes = ED25519

    def __post_init__(self) -> None:
        check_name(self.name)
        if len(self.public) != PUBLIC_BYTES:
            raise UsageRefused(
                f"a public key of {len(self.public)} bytes is not Ed25519", hint="give 32 bytes", code="key-size"
            )

    @classmethod
    def read(cls, text: str, kind: bytes = ED25519) -> Verifier:
        """Read a verifier key from its text.

        Raises:
            UsageRefused: it is not one of that kind, to the last character (code ``verifier-key``).

        >>> Verifier.read("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k").name
        'example.com/foo'
        """
        if len(text) > VERIFIER_CHARACTERS_MAX or text.count("+") < 2:
            raise _not_a_verifier(text, "it does not read name+hash+key")
        name, key_hash, encoded = text.split("+", 2)
        if not NAME_PATTERN.match(name) or not _HASH_PATTERN.match(key_hash):
            raise _not_a_verifier(text, "its name or its hash has another form")
        try:
            material = decode_base64(encoded)
        except ValueError as error:
            raise _not_a_verifier(text, str(error)) from error
        if len(material) != 1 + PUBLIC_BYTES or material[:1] != kind:
            what = "Ed25519 key" if kind == ED25519 else "Ed25519 cosignature key"
            raise _not_a_verifier(text, f"it does not hold an {what}")
        verifier = cls(name=name, public=material[1:], kind=kind)
        if verifier.key_id.hex() != key_hash:
            raise _not_a_verifier(text, f"its hash is {key_hash}, that of its key is {verifier.key_id.hex()}")
        return verifier

    @property
    def key_id(self) -> bytes:
        """Four bytes that stand for this key and name in a note."""
        return hashlib.sha256(self.name.encode() + b"\n" + self.kind + self.public).digest()[:4]

    def text(self) -> str:
        """Give the verifier key as text, to hand on by another way than what it verifies."""
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(self.kind + self.public).decode('ascii')}"

    def is_signed(self, message: bytes, signature: bytes) -> bool:
        """Say whether this key made the signature (64 bytes, RFC 8032) over the message."""
        from cryptography.exceptions import InvalidSignature

        if len(signature) != SIGNATURE_BYTES:
            return False
        try:
            _public_key(self.public).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


class Signer:
    """Signs with one private key. It prints without its secret."""

    __slots__ = ("_private", "verifier")

    def __init__(self, name: str, secret: bytes, kind: bytes = ED25519) -> None:
        """Load a private key.

        Args:
            name: What the key is called in notes; for a ledger, its origin.
            secret: What ``new_secret`` made, or any unencrypted PKCS #8 PEM of an Ed25519 key.
            kind: What it signs: notes, or cosignatures. One key must not be used for both.

        Raises:
            NotTrusted: the secret is no such key (code ``signing-key``).
        """
        self._private = _read_private(secret)
        public = self._private.public_key().public_bytes_raw()
        self.verifier = Verifier(name=name, public=public, kind=kind)

    def sign(self, message: bytes) -> bytes:
        """Give the Ed25519 signature of the message: 64 bytes, the same each time."""
        return self._private.sign(message)

    def __repr__(self) -> str:
        return f"Signer({self.verifier.text()!r})"


def new_secret(seed: bytes) -> bytes:
    """Make a private key from 32 random bytes: unencrypted PKCS #8 PEM, as ``openssl pkey`` reads it.

    Raises:
        UsageRefused: the seed has another length.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    if len(seed) != SEED_BYTES:
        raise UsageRefused(f"a seed of {len(seed)} bytes", hint=f"give {SEED_BYTES} random bytes", code="key-size")
    key = Ed25519PrivateKey.from_private_bytes(seed)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _read_private(secret: bytes) -> Ed25519PrivateKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(secret, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _not_a_secret() from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _not_a_secret()
    return key


def _not_a_secret() -> NotTrusted:
    return NotTrusted(
        "the signing key is not an unencrypted Ed25519 key in PKCS #8 PEM",
        hint="restore the key file from a backup; a ledger cannot be continued under another key",
        code="signing-key",
    )


@lru_cache(maxsize=64)
def _public_key(public: bytes) -> Ed25519PublicKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    return Ed25519PublicKey.from_public_bytes(public)


def _not_a_verifier(text: str, why: str) -> UsageRefused:
    return UsageRefused(
        f"{text[:80]!r} is not a verifier key: {why}",
        hint="copy the whole key as `bailiwick init` printed it",
        code="verifier-key",
    )
