"""Whether a proof leads to a root: arithmetic of RFC 9162, with no files, no network and no trust in the sender."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from bailiwick.errors import ProofRejected

HASH_BYTES = 32
PROOF_HASHES_MAX = 64
"""Longest proof that is looked at, in hashes: one a level of the tallest tree."""
SIZE_MAX = 2**53 - 1
"""Largest tree, in records: integers stay exact for every reader of JSON."""


def leaf_digest(raw: bytes) -> bytes:
    """Give the leaf of a record's stored bytes: SHA-256 of ``0x00`` and the bytes (RFC 9162, 2.1.1)."""
    return hashlib.sha256(b"\x00" + raw).digest()


def node_digest(left: bytes, right: bytes) -> bytes:
    """Give the digest of an inner node (RFC 9162, 2.1.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def verify_inclusion(leaf: bytes, index: int, proof: Sequence[bytes], size: int, root: bytes) -> None:
    """Check that a leaf is at an index of the tree with this size and root.

    Args:
        leaf: Leaf digest, 32 bytes.
        index: Position from 0, below ``size``.
        proof: Sibling digests of 32 bytes, leaf to root.
        size: Leaves of the tree.
        root: Root digest, 32 bytes, from a checkpoint that was verified before.

    Raises:
        ProofRejected: the proof has the wrong length or leads to another root.

    Source: RFC 9162, section 2.1.3.2.

    >>> verify_inclusion(bytes(32), 0, [], 1, bytes(32))
    >>> verify_inclusion(bytes(32), 1, [], 1, bytes(32))
    Traceback (most recent call last):
    ...
    bailiwick.errors.ProofRejected: index 1 is not in a tree of 1
    """
    if not 0 <= index < size <= SIZE_MAX:
        raise _rejected(f"index {index} is not in a tree of {size}")
    _check_hashes([leaf, root, *proof])
    # As ``node_digest``, written out: this is most of what a proof costs.
    sha256 = hashlib.sha256
    node, last, digest = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise _rejected(f"a proof of {len(proof)} hashes is too long for record {index} of {size}")
        if node & 1 or node == last:
            digest = sha256(b"\x01" + sibling + digest).digest()
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            digest = sha256(b"\x01" + digest + sibling).digest()
        node, last = node >> 1, last >> 1
    if last:
        raise _rejected(f"a proof of {len(proof)} hashes is too short for record {index} of {size}")
    if digest != root:
        raise _rejected(f"the proof of record {index} leads to root {digest.hex()}, not to {root.hex()}")


def verify_consistency(size: int, root: bytes, newer_size: int, newer_root: bytes, proof: Sequence[bytes]) -> None:
    """Check that a tree grew from an older one: nothing that was there changed.

    Args:
        size: Leaves of the older tree.
        root: Root of the older tree, 32 bytes.
        newer_size: Leaves of the newer tree, at least ``size``.
        newer_root: Root of the newer tree, 32 bytes.
        proof: Digests of 32 bytes, as RFC 9162 orders them; empty where the older tree is empty or the same.

    Raises:
        ProofRejected: the proof has the wrong length or leads to another root.

    Source: RFC 9162, section 2.1.4.2.
    """
    if not 0 <= size <= newer_size <= SIZE_MAX:
        raise _rejected(f"a tree of {newer_size} did not grow from one of {size}")
    _check_hashes([root, newer_root, *proof])
    if size in {0, newer_size}:
        _check_trivial(size, root, newer_size, newer_root, proof)
        return
    path = list(proof)
    if size & (size - 1) == 0:
        path.insert(0, root)
    if not path:
        raise _rejected(f"an empty proof from {size} to {newer_size}")
    older, newer = _walk(size - 1, newer_size - 1, path)
    if older != root:
        raise _rejected(f"the proof leads to root {older.hex()} at {size}, not to {root.hex()}")
    if newer != newer_root:
        raise _rejected(f"the proof leads to root {newer.hex()} at {newer_size}, not to {newer_root.hex()}")


def _check_trivial(size: int, root: bytes, newer_size: int, newer_root: bytes, proof: Sequence[bytes]) -> None:
    if proof:
        raise _rejected(f"a proof of {len(proof)} hashes from {size} to {newer_size}, which need none")
    if size == 0 and root != hashlib.sha256(b"").digest():
        raise _rejected(f"an empty tree does not have the root {root.hex()}")
    if size == newer_size and root != newer_root:
        raise _rejected(f"two roots at size {size}: {root.hex()} and {newer_root.hex()}")


def _walk(node: int, last: int, path: list[bytes]) -> tuple[bytes, bytes]:
    """Recompute both roots along a consistency proof; ``node`` and ``last`` are the last leaves of both trees."""
    while node & 1:
        node, last = node >> 1, last >> 1
    older = newer = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise _rejected(f"a proof of {len(path)} hashes is too long")
        if node & 1 or node == last:
            older = node_digest(sibling, older)
            newer = node_digest(sibling, newer)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            newer = node_digest(newer, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise _rejected(f"a proof of {len(path)} hashes is too short")
    return older, newer


def _check_hashes(hashes: Sequence[bytes]) -> None:
    if len(hashes) > PROOF_HASHES_MAX + 2:
        raise _rejected(f"a proof of {len(hashes) - 2} hashes; no tree is that tall")
    if set(map(len, hashes)) != {HASH_BYTES}:
        for digest in hashes:
            if len(digest) == HASH_BYTES:
                continue
            raise _rejected(f"a hash of {len(digest)} bytes, not of {HASH_BYTES}")


def _rejected(message: str) -> ProofRejected:
    return ProofRejected(message, hint="ask for the proof again; if it stays so, the ledger shows you another history")
