"""SSH signatures of git commits, read and checked by ourselves: only Ed25519, only keys that the operator pinned.

Git leaves checking to a program and a file of its own choosing; here neither the repository nor the machine has a word.

Source: OpenSSH ``PROTOCOL.sshsig`` (version 1); git's ``gpgsig`` header, whose removal gives the text that is signed.
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from bailiwick.errors import NotTrusted, UsageRefused
from bailiwick.keys import PUBLIC_BYTES, SIGNATURE_BYTES, Verifier, decode_base64

KEY_TYPE = b"ssh-ed25519"
MAGIC = b"SSHSIG"
VERSION = 1
NAMESPACE = b"git"
HASHES = {b"sha256": hashlib.sha256, b"sha512": hashlib.sha512}
KEY_CHARACTERS_MAX = 1_000
"""Longest line with a public key that is read, in characters."""
COMMIT_BYTES_MAX = 65_536
"""Longest commit that is read, in bytes."""
FINGERPRINT_CHARACTERS = 16
"""Hexadecimal digits of a key's fingerprint in the name that it has here."""

_HEADER = b"gpgsig "
_ARMOUR = re.compile(rb"-----BEGIN SSH SIGNATURE-----\n([A-Za-z0-9+/=\n]+)\n-----END SSH SIGNATURE-----\n?\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class SshSignature:
    """A signature: the key that it names, which nobody vouches for yet, the hash of what is signed, and itself."""

    public: bytes
    hash_name: bytes
    signature: bytes

    def is_of(self, message: bytes) -> bool:
        """Say whether the key that it names signed exactly this message."""
        hashed = HASHES[self.hash_name](message).digest()
        signed = MAGIC + b"".join(map(_packed, (NAMESPACE, b"", self.hash_name, hashed)))
        return verifier_of(self.public).is_signed(signed, self.signature)


def verifier_of(public: bytes) -> Verifier:
    """Give the verifier key for a public key of SSH; its name is made of its fingerprint."""
    return Verifier(name=f"git/{hashlib.sha256(public).hexdigest()[:FINGERPRINT_CHARACTERS]}", public=public)


def read_public_key(line: str) -> Verifier:
    """Read a public key as OpenSSH writes it: ``ssh-ed25519 AAAA… comment``.

    Raises:
        UsageRefused: it is another kind of key, or none (code ``ssh-key``).

    >>> read_public_key("ssh-rsa AAAA")
    Traceback (most recent call last):
    ...
    bailiwick.errors.UsageRefused: 'ssh-rsa AAAA' is no Ed25519 key of SSH
    """
    words = line[:KEY_CHARACTERS_MAX].split()
    try:
        if len(line) > KEY_CHARACTERS_MAX or len(words) < 2 or words[0].encode() != KEY_TYPE:
            raise ValueError("it does not begin with ssh-ed25519")
        return verifier_of(_public_key(decode_base64(words[1])))
    except ValueError as error:
        raise UsageRefused(
            f"{line[:80]!r} is no Ed25519 key of SSH",
            hint="give the line of a .pub file, or its path; ssh-keygen -t ed25519 makes one",
            code="ssh-key",
        ) from error


def commit_signer(commit: str, raw: bytes, pinned: Iterable[Verifier]) -> Verifier:
    """Give the pinned key that signed a commit.

    Args:
        commit: Its id, for messages.
        raw: Its content, as ``git cat-file commit`` gives it.
        pinned: Whom the operator believes.

    Raises:
        NotTrusted: it has no signature (code ``commit-unsigned``), one that cannot be read or is of another kind
            (``commit-signature-form``), one of another key (``commit-key-unknown``), or one of something else
            (``commit-signature-wrong``).
    """
    payload, armoured = split_signature(raw)
    if armoured is None:
        raise NotTrusted(
            f"commit {commit} is not signed",
            hint="have it signed: git commit -S with gpg.format=ssh and an Ed25519 key",
            code="commit-unsigned",
        )
    try:
        signature = read_signature(armoured)
    except ValueError as error:
        raise NotTrusted(
            f"the signature of commit {commit} cannot be read: {error}",
            hint="only SSH signatures by Ed25519 keys are read: gpg.format=ssh",
            code="commit-signature-form",
        ) from error
    known = next((each for each in pinned if each.public == signature.public), None)
    if known is None:
        raise NotTrusted(
            f"commit {commit} is signed by {verifier_of(signature.public).name}, which is not pinned for this source",
            hint="ask who signed it by another way; then: bailiwick pack follow, with that --key as well",
            code="commit-key-unknown",
        )
    if not signature.is_of(payload):
        raise NotTrusted(
            f"the signature of commit {commit} is of something else",
            hint="somebody changed the commit after it was signed: look at the repository",
            code="commit-signature-wrong",
        )
    return known


def split_signature(raw: bytes) -> tuple[bytes, bytes | None]:
    """Take the signature out of a commit: give what was signed, and the signature, or None.

    A second signature, or one after the header, is left in what was signed, so that it matches nothing.
    """
    head, separator, message = raw.partition(b"\n\n")
    kept: list[bytes] = []
    found: list[bytes] | None = None
    is_within = False
    for line in head.split(b"\n"):
        if is_within and found is not None and line.startswith(b" "):
            found.append(line[1:])
            continue
        is_within = False
        if found is None and line.startswith(_HEADER):
            found, is_within = [line[len(_HEADER) :]], True
            continue
        kept.append(line)
    payload = b"\n".join(kept) + separator + message
    return payload, None if found is None else b"\n".join(found)


def read_signature(armoured: bytes) -> SshSignature:
    """Read a signature in its armour.

    Raises:
        ValueError: another form, kind of key, namespace or hash, or bytes to spare.
    """
    found = _ARMOUR.match(armoured)
    if found is None:
        raise ValueError("it is no SSH signature")
    data = decode_base64(found[1].replace(b"\n", b"").decode())
    if data[: len(MAGIC)] != MAGIC or data[len(MAGIC) : len(MAGIC) + 4] != struct.pack(">I", VERSION):
        raise ValueError("it is no SSHSIG of version 1")
    rest = data[len(MAGIC) + 4 :]
    fields: list[bytes] = []
    for _ in range(5):
        field, rest = _taken(rest)
        fields.append(field)
    key, namespace, reserved, hash_name, signature = fields
    if rest or reserved:
        raise ValueError("it holds more than a signature")
    if namespace != NAMESPACE:
        raise ValueError(f"it is for {namespace[:40]!r}, not for git")
    if hash_name not in HASHES:
        raise ValueError(f"its hash is {hash_name[:40]!r}")
    kind, rest = _taken(signature)
    made, rest = _taken(rest)
    if kind != KEY_TYPE or rest or len(made) != SIGNATURE_BYTES:
        raise ValueError("it is by no Ed25519 key")
    return SshSignature(public=_public_key(key), hash_name=hash_name, signature=made)


def _public_key(blob: bytes) -> bytes:
    kind, rest = _taken(blob)
    public, rest = _taken(rest)
    if kind != KEY_TYPE or rest or len(public) != PUBLIC_BYTES:
        raise ValueError("it is no Ed25519 key")
    return public


def _taken(data: bytes) -> tuple[bytes, bytes]:
    """Take one string of SSH's own form from the front: four bytes of length, then that many."""
    if len(data) < 4:
        raise ValueError("it ends too early")
    (size,) = struct.unpack(">I", data[:4])
    if size > len(data) - 4:
        raise ValueError("it ends too early")
    return data[4 : 4 + size], data[4 + size :]


def _packed(field: bytes) -> bytes:
    return struct.pack(">I", len(field)) + field
