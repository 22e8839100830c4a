"""Signed manifests of anything: who vouches for them, and whether that is somebody whom a tenant trusts.

Pure: no files, no network, no clock. What is signed is the canonical form of a manifest, so that white space and the
order of members mean nothing, and the digests that the manifest states are vouched for with it.

    key = Signer("modules/acme", secret)
    signature = sign_manifest(manifest, key)                 # the bytes of module.sig, beside module.json
    verify_manifest(manifest, signature, keys, subject="module clock-reader 1.0.0")
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import msgspec

from bailiwick.canonical import canonical_bytes
from bailiwick.errors import NotTrusted, UsageRefused
from bailiwick.keys import Signer, Verifier, decode_base64
from bailiwick.model import JsonValue

SIGNATURE_FORMAT = "bailiwick-signature/1"
SIGNED_CONTEXT = b"bailiwick-manifest/1\n"
"""Stands before the canonical manifest in what is signed: no signature of anything else can be taken for one."""
SIGNATURE_FILE_BYTES_MAX = 1_024
"""Longest file with a signature that is read, in bytes."""
_HINT_SIGN = "have its author sign it: bailiwick module sign FOLDER"


class _Signed(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    format: str
    key: str
    signature: str


_decode = msgspec.json.Decoder(_Signed).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedKeys:
    """Whose signatures a tenant accepts. A key that is among both is revoked: revoking wins, whatever came later."""

    trusted: frozenset[Verifier] = frozenset()
    revoked: frozenset[Verifier] = frozenset()

    def is_revoked(self, key: Verifier) -> bool:
        """Say whether a key is revoked, under whatever name: the name is the signer's own choice."""
        return any(key.public == each.public for each in self.revoked)


def signed_bytes(manifest: Any) -> bytes:
    """Give the bytes that a signature of a manifest is over.

    Raises:
        RecordRefused: the manifest is outside the canonical profile (``profile-*``): a number with a fraction, say.
    """
    return SIGNED_CONTEXT + canonical_bytes(manifest)


def sign_manifest(manifest: Any, signer: Signer) -> bytes:
    """Sign a manifest, and give the content of its signature file: one line of JSON.

    Raises:
        RecordRefused: the manifest is outside the canonical profile (``profile-*``).
    """
    signature = base64.b64encode(signer.sign(signed_bytes(manifest))).decode("ascii")
    return _line(signer.verifier.text(), signature)


def read_signature(raw: bytes) -> tuple[Verifier, bytes]:
    """Read a signature file: the key that it names, which nobody vouches for yet, and the signature.

    Raises:
        NotTrusted: it is no such file, to the last byte (code ``signature-form``).

    >>> read_signature(b"{}")
    Traceback (most recent call last):
    ...
    bailiwick.errors.NotTrusted: the signature cannot be read: Object missing required field `format`
    """
    if len(raw) > SIGNATURE_FILE_BYTES_MAX:
        raise _unreadable(f"it has {len(raw)} bytes, and at most {SIGNATURE_FILE_BYTES_MAX} are read")
    try:
        signed = _decode(raw)
        if signed.format != SIGNATURE_FORMAT:
            raise _unreadable(f"its format is {signed.format[:80]!r}, not {SIGNATURE_FORMAT}")
        signature, key = decode_base64(signed.signature), Verifier.read(signed.key)
    except (ValueError, RecursionError) as error:
        raise _unreadable(str(error)) from error
    except UsageRefused as error:
        raise _unreadable(error.message) from error
    if _line(signed.key, signed.signature).rstrip(b"\n") != raw.rstrip(b"\n"):
        raise _unreadable("it is not written as signing writes it")
    return key, signature


def verify_manifest(manifest: Any, signature: bytes, keys: TrustedKeys, *, subject: str) -> Verifier:
    """Check that somebody who is trusted signed exactly this manifest, and give the key.

    Args:
        manifest: As it was parsed.
        signature: The content of the signature file.
        keys: Whom the tenant trusts.
        subject: What the manifest is of, for messages, such as ``module clock-reader 1.0.0``.

    Raises:
        NotTrusted: ``signature-form``, ``key-revoked``, ``key-unknown``, or ``signature-wrong``, in that order.
        RecordRefused: the manifest is outside the canonical profile.

    Cost: one Ed25519 verification, about 0.1 ms.
    """
    key, made = read_signature(signature)
    if keys.is_revoked(key):
        raise NotTrusted(
            f"{subject} is signed by {key.text()}, which was revoked",
            hint="get it signed by another key of its author, and trust that one after asking the author",
            code="key-revoked",
        )
    if key not in keys.trusted:
        raise NotTrusted(
            f"{subject} is signed by {key.text()}, which this tenant does not trust",
            hint=f"ask its author by another way whether the key is theirs, then: bailiwick module trust {key.text()}",
            code="key-unknown",
        )
    if not key.is_signed(signed_bytes(manifest), made):
        raise NotTrusted(
            f"the signature of {subject} is not over this manifest, or not by {key.text()}",
            hint="get the module again; if it was changed on purpose, " + _HINT_SIGN,
            code="signature-wrong",
        )
    return key


def unsigned(subject: str) -> NotTrusted:
    """Give the error for what has no signature at all (code ``unsigned``)."""
    return NotTrusted(f"{subject} is not signed", hint=_HINT_SIGN, code="unsigned")


def _line(key: str, signature: str) -> bytes:
    content: dict[str, JsonValue] = {"format": SIGNATURE_FORMAT, "key": key, "signature": signature}
    return canonical_bytes(content) + b"\n"


def _unreadable(why: str) -> NotTrusted:
    return NotTrusted(f"the signature cannot be read: {why}", hint=_HINT_SIGN, code="signature-form")
