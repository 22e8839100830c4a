"""Sealed envelopes for keys and blobs: AES-256-GCM with everything around them authenticated, and keys made of secrets.

An envelope is a nonce of 12 bytes, the ciphertext, and a tag of 16 bytes. The context that it was sealed under (whose
it is, and what for) is authenticated and not stored: an envelope moved to another place does not open.

Source: NIST SP 800-38D (random nonces: at most 2^32 envelopes a key), RFC 5869, RFC 7914.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
SALT_BYTES = 16
WORK_MAX = 1 << 20
"""Largest cost that a stored header may ask of scrypt: more is somebody's try to exhaust the machine."""
BLOCK_MAX = 32
LANES_MAX = 16


class EnvelopeBroken(Exception):
    """An envelope that does not open: another key, another context, or other bytes. Adapters say which was meant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretching:
    """What scrypt costs (RFC 7914): ``work`` is N, a power of two; memory is 128 * work * block bytes."""

    work: int = 1 << 17
    block: int = 8
    lanes: int = 1

    def __post_init__(self) -> None:
        is_power = self.work > 1 and self.work & (self.work - 1) == 0
        if not is_power or self.work > WORK_MAX or not 1 <= self.block <= BLOCK_MAX or not 1 <= self.lanes <= LANES_MAX:
            raise ValueError(f"scrypt cannot run with N={self.work}, r={self.block}, p={self.lanes}")


def seal_bytes(key: bytes, nonce: bytes, plain: bytes, context: bytes) -> bytes:
    """Seal bytes under a key of 32 bytes and a nonce of 12 that this key never saw before."""
    return nonce + _cipher(key).encrypt(nonce, plain, context)


def open_bytes(key: bytes, sealed: bytes, context: bytes) -> bytes:
    """Give back what was sealed under this key and context.

    Raises:
        EnvelopeBroken: it was not, or not a byte of it is as it was.
    """
    from cryptography.exceptions import InvalidTag

    if len(sealed) < NONCE_BYTES + TAG_BYTES:
        raise EnvelopeBroken(f"{len(sealed)} bytes are no envelope")
    try:
        return _cipher(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], context)
    except InvalidTag as error:
        raise EnvelopeBroken("the envelope does not open") from error


def stretch(passphrase: bytes, salt: bytes, stretching: Stretching) -> bytes:
    """Make a key of a passphrase, slowly: about 0.4 s and 128 MiB with the default."""
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    scrypt = Scrypt(salt=salt, length=KEY_BYTES, n=stretching.work, r=stretching.block, p=stretching.lanes)
    return scrypt.derive(passphrase)


def derive(secret: bytes, salt: bytes, purpose: bytes) -> bytes:
    """Make a key of a secret that is random already (HKDF with SHA-256)."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=salt, info=purpose).derive(secret)


def _cipher(key: bytes) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key)
