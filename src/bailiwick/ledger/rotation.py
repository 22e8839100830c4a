"""How a ledger changes its key: a record that the old and the new key both signed.

Whoever trusts one key of a ledger can follow it to the next, and only there: a thief of the old key cannot hand the
ledger on to a key whose owner did not agree, and nobody can take it over without the old one. The statement names the
ledger, its size and its root, so that it cannot be moved to another ledger or another place.
"""

from __future__ import annotations

import base64

from bailiwick.errors import UsageRefused, Verdict
from bailiwick.keys import SIGNATURE_BYTES, Signer, Verifier, decode_base64
from bailiwick.ledger.chain import Fault
from bailiwick.ledger.record import StoredRecord
from bailiwick.model import JsonValue

KEY_ROTATED = "ledger.key-rotated"
KEYS_MAX = 64
"""Keys that one ledger may have had, in number; a reader stops there."""

_TITLE = "bailiwick-key-rotation/1"
_FIELDS = {"new_signature", "new_verifier", "old_key_id", "old_signature"}


def rotation_statement(size: int, root: bytes, old: Verifier, new: Verifier) -> bytes:
    """Give the text that both keys sign. ``size`` and ``root`` are those of all records before the rotation.

    Its second line is an origin where a checkpoint has a size, so neither can be taken for the other.
    """
    encoded = base64.b64encode(root).decode("ascii")
    return f"{_TITLE}\n{old.name}\n{size}\n{encoded}\n{old.text()}\n{new.text()}\n".encode()


def rotation_detail(size: int, root: bytes, old: Signer, new: Signer) -> dict[str, JsonValue]:
    """Sign a rotation with both keys, and give the detail of its record."""
    statement = rotation_statement(size, root, old.verifier, new.verifier)
    return {
        "new_signature": base64.b64encode(new.sign(statement)).decode("ascii"),
        "new_verifier": new.verifier.text(),
        "old_key_id": old.verifier.key_id.hex(),
        "old_signature": base64.b64encode(old.sign(statement)).decode("ascii"),
    }


def read_rotation(
    stored: StoredRecord, index: int, root: bytes, old: Verifier
) -> tuple[Verifier, None] | tuple[None, Fault]:
    """Read which key signs from a record on, where the key before it and that key both say so.

    Args:
        stored: The record, of type ``KEY_ROTATED``.
        index: Its index, which is the size of the tree before it.
        root: Root of the tree before it, 32 bytes.
        old: The key that signed until here.
    """
    try:
        new, signatures = _read(stored, old)
    except (ValueError, UsageRefused) as error:
        message = f"the change of key in record {index} cannot be read: {error}"
        return None, Fault(index=index, verdict=Verdict.CORRUPT, message=message)
    statement = rotation_statement(index, root, old, new)
    for verifier, signature in zip((old, new), signatures, strict=True):
        if not verifier.is_signed(statement, signature):
            message = f"the change of key in record {index} is not signed by {verifier.text()}"
            return None, Fault(index=index, verdict=Verdict.UNTRUSTED_KEY, message=message)
    return new, None


def _read(stored: StoredRecord, old: Verifier) -> tuple[Verifier, tuple[bytes, bytes]]:
    detail = stored.detail
    if detail.keys() != _FIELDS or not all(isinstance(value, str) for value in detail.values()):
        raise ValueError("its detail has other members")
    new = Verifier.read(detail["new_verifier"])
    if new.name != old.name or new.public == old.public:
        raise ValueError(f"{new.text()} cannot follow {old.text()}")
    if detail["old_key_id"] != old.key_id.hex():
        raise ValueError(f"it follows key {detail['old_key_id'][:80]}, and {old.key_id.hex()} signed until here")
    signatures = decode_base64(detail["old_signature"]), decode_base64(detail["new_signature"])
    if any(len(signature) != SIGNATURE_BYTES for signature in signatures):
        raise ValueError("a signature has another length")
    return new, signatures
