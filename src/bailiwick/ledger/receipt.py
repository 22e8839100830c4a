"""Proofs that anybody can check alone, each in one text: of a record (C2SP tlog-proof), and of growth.

A proof of growth is what a witness is asked with (C2SP tlog-witness): ``old N``, the hashes, an empty line, the
checkpoint that the ledger grew to.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import replace

from bailiwick.errors import NotTrusted, ProofRejected, UsageRefused
from bailiwick.keys import Verifier, decode_base64
from bailiwick.ledger.note import (
    COSIGNED_BYTES_MAX,
    Cosignature,
    is_cosigned,
    is_named,
    open_checkpoint,
    split_cosignatures,
)
from bailiwick.ledger.policy import Policy
from bailiwick.ledger.proof import PROOF_HASHES_MAX, leaf_digest, verify_consistency, verify_inclusion
from bailiwick.ledger.witness import read_request
from bailiwick.model import Checkpoint

RECEIPT_BYTES_MAX = COSIGNED_BYTES_MAX + 64 * PROOF_HASHES_MAX
"""Longest receipt that is read, in bytes."""

_TITLE = "c2sp.org/tlog-proof@v1"
_INDEX_PATTERN = re.compile(r"index (0|[1-9][0-9]{0,15})\Z")


def receipt_text(index: int, proof: Sequence[bytes], checkpoint: Checkpoint) -> str:
    """Write a proof that a record is in the ledger that a checkpoint stands for."""
    hashes = [base64.b64encode(digest).decode("ascii") for digest in proof]
    return "\n".join([_TITLE, f"index {index}", *hashes, "", checkpoint.note.decode()])


def verify_receipt(
    text: str, raw: bytes, *, key: str | None = None, policy: Policy | None = None
) -> tuple[int, Checkpoint]:
    """Check a receipt of a record, with nothing but a key or a policy, and give the record's index and the checkpoint.

    Args:
        text: What ``Ledger.prove`` gave.
        raw: The record's bytes, without a newline.
        key: Verifier key of the ledger, got by another way than the receipt.
        policy: Whom to believe, instead of a key. Without one, lines of witnesses are refused: nobody checked them.

    Raises:
        ProofRejected: the text is no such proof, or it does not lead from these bytes to the checkpoint.
        NotTrusted: the checkpoint is not signed by that key, or not by enough of the policy's witnesses.
        UsageRefused: the key is not a verifier key, or there is not exactly one of key and policy.
    """
    try:
        index, proof, note = _split(text)
        checkpoint = _open(note, _believed(key, policy), policy)
    except ValueError as error:
        raise ProofRejected(
            f"this is not a receipt: {error}",
            hint="give the whole file that `bailiwick ledger prove` wrote",
            code="receipt-form",
        ) from error
    verify_inclusion(leaf_digest(raw), index, proof, checkpoint.size, checkpoint.root)
    return index, checkpoint


def verify_growth(
    text: str, older: bytes, *, key: str | None = None, policy: Policy | None = None
) -> tuple[Checkpoint, Checkpoint]:
    """Check that a ledger grew from one checkpoint to another, and give both.

    Args:
        text: What ``Heads.prove_growth`` gave.
        older: The checkpoint that was kept from before.
        key: Verifier key of the ledger.
        policy: Whom to believe, instead of a key; after a change of key, both stand on its log lines.

    Raises:
        ProofRejected: the text is no such proof, or it does not lead from one root to the other.
        NotTrusted: a checkpoint is not signed by that key, or the newer not by enough of the policy's witnesses.
        UsageRefused: the key is not a verifier key, or there is not exactly one of key and policy.
    """
    keys = _believed(key, policy)
    try:
        size, proof, note = read_request(text.encode())
        newer = _open(note, keys, policy)
        kept, _ = split_cosignatures(older)
        before = open_checkpoint(kept, _named(kept, keys))
    except ValueError as error:
        raise ProofRejected(
            f"this is not a proof of growth from a checkpoint: {error}",
            hint="give the whole file that `bailiwick ledger prove --from` wrote, and the checkpoint kept from before",
            code="growth-form",
        ) from error
    if size != before.size:
        raise ProofRejected(
            f"the proof is from size {size}, and the checkpoint of size {before.size}",
            hint=f"ask for the proof from {before.size}: bailiwick ledger prove --from {before.size}",
        )
    verify_consistency(before.size, before.root, newer.size, newer.root, proof)
    return before, newer


def _believed(key: str | None, policy: Policy | None) -> Sequence[Verifier]:
    if key is not None and policy is None:
        return [Verifier.read(key)]
    if policy is None or key is not None or not policy.logs:
        raise UsageRefused(
            "a receipt is checked with a key or with a policy that has a log line, one of them",
            hint="give the verifier key that you were told: --key VKEY",
            code="receipt-anchor",
        )
    return policy.logs


def _named(note: bytes, keys: Sequence[Verifier]) -> Verifier:
    return next((each for each in keys if is_named(note, each)), keys[0])


def _open(note: bytes, keys: Sequence[Verifier], policy: Policy | None) -> Checkpoint:
    """Open a checkpoint by one of the keys, with every line under it checked."""
    own, lines = split_cosignatures(note)
    verifier = _named(own, keys)
    try:
        checkpoint = open_checkpoint(own, verifier)
    except NotTrusted as error:
        error.hint = "check that the key is the one that you were given for this ledger"
        raise
    witnesses = [each.verifier for each in policy.witnesses] if policy else []
    for line in lines:
        if not any(is_cosigned(own, line, each) for each in witnesses):
            raise NotTrusted(
                f"the line of {line.name} is not a cosignature by anybody who is known here",
                hint="give the policy that names the witness: --policy FILE",
                code="witness-unknown",
            )
    if policy is not None:
        _check_policy(policy, verifier, checkpoint, lines)
    return replace(checkpoint, note=note)


def _check_policy(policy: Policy, verifier: Verifier, checkpoint: Checkpoint, lines: Sequence[Cosignature]) -> None:
    if not policy.may_sign(verifier, checkpoint.size):
        raise NotTrusted(
            f"the policy lets {verifier.text()} sign no checkpoint of size {checkpoint.size}",
            hint="ask which key signed then; a key that was given up may have been stolen",
            code="untrusted-key",
        )
    if not policy.is_met(policy.cosigners(checkpoint.note, lines)):
        raise NotTrusted(
            f"of the policy's witnesses, {len(lines)} cosigned this checkpoint, which is not its quorum",
            hint="ask for the receipt again when more witnesses have cosigned",
            code="witness-quorum",
        )


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
