"""Signed checkpoints (C2SP signed-note, tlog-checkpoint), read so strictly that no byte can change unseen.

A checkpoint is ``origin``, size and base64 root, a line each, then an empty line and the signature. C2SP lets readers
ignore signatures that they do not know; here the one signature of the ledger's key is all that a checkpoint holds, so
whatever else stands there is refused. Witnesses' lines (C2SP tlog-cosignature) come after it and are read apart.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass

from bailiwick.errors import NotTrusted
from bailiwick.keys import COSIGNATURE, NAME_PATTERN, SIGNATURE_BYTES, Signer, Verifier, decode_base64
from bailiwick.ledger.proof import HASH_BYTES, SIZE_MAX
from bailiwick.model import Checkpoint

NOTE_BYTES_MAX = 4_096
"""Longest checkpoint that is read, in bytes, without the lines of witnesses."""
COSIGNATURES_MAX = 32
"""Lines of witnesses under one checkpoint, in number."""
COSIGNED_BYTES_MAX = NOTE_BYTES_MAX + COSIGNATURES_MAX * 320
"""Longest checkpoint that is read, in bytes, with the lines of witnesses."""
TIME_S_MAX = 2**63 - 1
"""Latest time of a cosignature, in seconds since 1970 (C2SP tlog-cosignature)."""

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


def is_named(note: bytes, verifier: Verifier) -> bool:
    """Say whether a checkpoint names a key as its signer; whether it signed is for ``open_checkpoint`` to say.

    Raises:
        ValueError: it is not a checkpoint, to the last byte.
    """
    _, name, blob = split_checkpoint(note)
    return (name, blob[:4]) == (verifier.name, verifier.key_id)


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


# --- witnesses' lines -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosignature:
    """One witness's line under a checkpoint: at ``time_s``, seconds since 1970, it knew of no larger tree.

    ``signature`` is 64 bytes; whose it is, name and key id claim and ``is_cosigned`` checks.
    """

    name: str
    key_id: bytes
    time_s: int
    signature: bytes

    def line(self) -> bytes:
        """Give the line as it stands in a note, with its newline."""
        blob = base64.b64encode(self.key_id + self.time_s.to_bytes(8, "big") + self.signature)
        return f"{_DASH} {self.name} {blob.decode('ascii')}\n".encode()

    def is_of(self, verifier: Verifier) -> bool:
        """Say whether it claims to be that witness's."""
        return (self.name, self.key_id) == (verifier.name, verifier.key_id)


def cosign(note: bytes, time_s: int, signer: Signer) -> Cosignature:
    """Cosign a checkpoint. Whether it follows from the one before is checked by ``witness``."""
    assert signer.verifier.kind == COSIGNATURE, signer
    signature = signer.sign(_cosigned_message(note, time_s))
    verifier = signer.verifier
    return Cosignature(name=verifier.name, key_id=verifier.key_id, time_s=time_s, signature=signature)


def is_cosigned(note: bytes, cosignature: Cosignature, verifier: Verifier) -> bool:
    """Say whether a witness's key made this line for this checkpoint."""
    message = _cosigned_message(note, cosignature.time_s)
    is_dated = 0 < cosignature.time_s <= TIME_S_MAX
    return is_dated and cosignature.is_of(verifier) and verifier.is_signed(message, cosignature.signature)


def split_cosignatures(note: bytes) -> tuple[bytes, list[Cosignature]]:
    """Part a checkpoint, with the ledger's line alone, from the witnesses' lines after it.

    Raises:
        ValueError: a line is not exactly the text that its values give, or there are too many.
    """
    body, gap, signatures = note.partition(b"\n\n")
    first, newline, rest = signatures.partition(b"\n")
    return body + gap + first + newline, read_cosignatures(rest)


def read_cosignatures(lines: bytes) -> list[Cosignature]:
    """Read lines of witnesses, each with its newline; none is an empty list.

    Raises:
        ValueError: a line is not exactly the text that its values give, or there are too many.
    """
    if len(lines) > COSIGNED_BYTES_MAX or lines.count(b"\n") > COSIGNATURES_MAX:
        raise ValueError(f"more than {COSIGNATURES_MAX} lines of witnesses")
    cosignatures = [_read_cosignature(line) for line in lines.splitlines(keepends=True)]
    if len({(each.name, each.key_id) for each in cosignatures}) < len(cosignatures):
        raise ValueError("one witness has two lines")
    return cosignatures


def join_cosignatures(note: bytes, cosignatures: Sequence[Cosignature]) -> bytes:
    """Put witnesses' lines under a checkpoint."""
    return note + b"".join(each.line() for each in cosignatures)


def _read_cosignature(line: bytes) -> Cosignature:
    name, _, blob_text = line.decode().removesuffix("\n").removeprefix(f"{_DASH} ").partition(" ")
    blob = decode_base64(blob_text)
    if not NAME_PATTERN.match(name) or len(blob) != 4 + 8 + SIGNATURE_BYTES:
        raise ValueError("a witness's line has another form")
    time_s = int.from_bytes(blob[4:12], "big")
    cosignature = Cosignature(name=name, key_id=blob[:4], time_s=time_s, signature=blob[12:])
    if cosignature.line() != line:
        raise ValueError("a witness's line has another form")
    return cosignature


def _cosigned_message(note: bytes, time_s: int) -> bytes:
    body = note[: note.index(b"\n\n") + 1]
    return f"cosignature/v1\ntime {time_s}\n".encode() + body
