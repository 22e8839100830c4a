"""Signed checkpoints (C2SP signed-note, tlog-checkpoint), read so strictly that no byte can change unseen.

A checkpoint is ``origin``, size and base64 root, a line each, then an empty line and the signature. C2SP lets readers
ignore signatures that they do not know; here the one signature of the ledger's key is all that a checkpoint holds, so
whatever else stands there is refused.
"""

from __future__ import annotations

import base64
import re

from bailiwick.errors import NotTrusted
from bailiwick.keys import NAME_PATTERN, SIGNATURE_BYTES, Signer, Verifier, decode_base64
from bailiwick.ledger.proof import HASH_BYTES, SIZE_MAX
from bailiwick.model import Checkpoint

NOTE_BYTES_MAX = 4_096
"""Longest checkpoint that is read, in bytes."""

_DASH = "\u2014"
_SIZE_PATTERN = re.compile(r"(?:0|[1-9][0-9]{0,15})\Z")


def sign_checkpoint(size: int, root: bytes, signer: Signer) -> Checkpoint:
    """Sign that the ledger named like the key had this root at this size."""
    origin = signer.verifier.name
    body = checkpoint_body(origin, size, root)
    blob = base64.b64encode(signer.verifier.key_id + signer.sign(body.encode())).decode("ascii")
    note = f"{body}\n{_DASH} {origin} {blob}\n"
    return Checkpoint(origin=origin, size=size, root=root, note=note.encode())


def checkpoint_body(origin: str, size: int, root: bytes) -> str:
    """Give the text that a checkpoint's signature is over."""
    return f"{origin}\n{size}\n{base64.b64encode(root).decode('ascii')}\n"


def signature_blob(note: bytes) -> str:
    """Give the base64 at the end of a note that ``sign_checkpoint`` made."""
    return note.decode().rstrip("\n").rpartition(" ")[2]


def open_checkpoint(note: bytes, verifier: Verifier) -> Checkpoint:
    """Read a checkpoint and check the ledger's signature.

    Raises:
        ValueError: it is not a checkpoint, to the last byte.
        NotTrusted: another key signed it, or the signature is not over this text.

    Cost: one Ed25519 verification, about 100 µs.
    """
    checkpoint, name, blob = split_checkpoint(note)
    if (name, blob[:4]) != (verifier.name, verifier.key_id) or checkpoint.origin != verifier.name:
        raise NotTrusted(
            f"the checkpoint is signed by {name}+{blob[:4].hex()}, not by {verifier.name}+{verifier.key_id.hex()}",
            hint="ask the ledger's owner which key is theirs, by another way than the ledger itself",
            code="untrusted-key",
        )
    if not verifier.is_signed(note[: note.index(b"\n\n") + 1], blob[4:]):
        raise NotTrusted(
            f"the signature of {name} is not over this checkpoint of size {checkpoint.size}",
            hint="the checkpoint was changed, or signed by somebody who does not have the key",
            code="checkpoint-signature",
        )
    return checkpoint


def split_checkpoint(note: bytes) -> tuple[Checkpoint, str, bytes]:
    """Read a checkpoint without checking its signature: what it says, the signer's name, and key id with signature.

    Raises:
        ValueError: it is not exactly the text that its values give.
    """
    if len(note) > NOTE_BYTES_MAX:
        raise ValueError(f"a checkpoint of {len(note)} bytes; at most {NOTE_BYTES_MAX}")
    lines = note.decode().split("\n")
    if len(lines) != 6 or lines[3] or lines[5]:
        raise ValueError("a checkpoint has three lines, an empty one, and one signature")
    origin, size_text, root_text, _, signature, _ = lines
    dash, _, rest = signature.partition(" ")
    name, _, blob_text = rest.partition(" ")
    if not NAME_PATTERN.match(origin) or dash != _DASH or not NAME_PATTERN.match(name):
        raise ValueError("its origin or its signature line has another form")
    if not _SIZE_PATTERN.match(size_text) or int(size_text) > SIZE_MAX:
        raise ValueError(f"{size_text[:20]!r} is not a size")
    root, blob = decode_base64(root_text), decode_base64(blob_text)
    if len(root) != HASH_BYTES or len(blob) != 4 + SIGNATURE_BYTES:
        raise ValueError("its root or its signature has another length")
    return Checkpoint(origin=origin, size=int(size_text), root=root, note=note), name, blob
