"""The receipt that anybody can check alone: one record's proof in one text (C2SP tlog-proof)."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence

from bailiwick.errors import NotTrusted, ProofRejected
from bailiwick.keys import Verifier, decode_base64
from bailiwick.ledger.note import NOTE_BYTES_MAX, open_checkpoint
from bailiwick.ledger.proof import PROOF_HASHES_MAX, leaf_digest, verify_inclusion
from bailiwick.model import Checkpoint

RECEIPT_BYTES_MAX = NOTE_BYTES_MAX + 64 * PROOF_HASHES_MAX
"""Longest receipt that is read, in bytes."""

_TITLE = "c2sp.org/tlog-proof@v1"
_INDEX_PATTERN = re.compile(r"index (0|[1-9][0-9]{0,15})\Z")


def receipt_text(index: int, proof: Sequence[bytes], checkpoint: Checkpoint) -> str:
    """Write a proof that a record is in the ledger that a checkpoint stands for."""
    hashes = [base64.b64encode(digest).decode("ascii") for digest in proof]
    return "\n".join([_TITLE, f"index {index}", *hashes, "", checkpoint.note.decode()])


def verify_receipt(text: str, raw: bytes, *, key: str) -> tuple[int, Checkpoint]:
    """Check a receipt of a record, with nothing but the key, and give the record's index and the checkpoint.

    Args:
        text: What ``Ledger.prove`` gave.
        raw: The record's bytes, without a newline.
        key: Verifier key of the ledger, got by another way than the receipt.

    Raises:
        ProofRejected: the text is no such proof, or it does not lead from these bytes to the checkpoint.
        NotTrusted: the checkpoint is not signed by that key.
        UsageRefused: the key is not a verifier key.
    """
    verifier = Verifier.read(key)
    try:
        index, proof, note = _split(text)
        checkpoint = open_checkpoint(note, verifier)
    except ValueError as error:
        raise ProofRejected(
            f"this is not a receipt: {error}",
            hint="give the whole file that `bailiwick ledger prove` wrote",
            code="receipt-form",
        ) from error
    except NotTrusted as error:
        error.hint = "check that the key is the one that you were given for this ledger"
        raise
    verify_inclusion(leaf_digest(raw), index, proof, checkpoint.size, checkpoint.root)
    return index, checkpoint


def _split(text: str) -> tuple[int, list[bytes], bytes]:
    if len(text) > RECEIPT_BYTES_MAX:
        raise ValueError(f"a receipt of {len(text)} characters; at most {RECEIPT_BYTES_MAX}")
    proof_text, _, note = text.partition("\n\n")
    title, _, rest = proof_text.partition("\n")
    index_line, *hashes = rest.split("\n")
    match = _INDEX_PATTERN.match(index_line)
    if title != _TITLE or match is None:
        raise ValueError("its first lines are not the title and the index")
    return int(match[1]), [decode_base64(line) for line in hashes], note.encode()
