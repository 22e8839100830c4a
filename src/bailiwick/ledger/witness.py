"""The witness: what it answers to a checkpoint, and why. Pure: what it holds comes in, what it shall hold goes out.

A witness keeps one checkpoint for each ledger that it knows, the newest that it cosigned. It cosigns the next only
where that grew from it. So whoever holds a ledger's key still cannot show two people two pasts, if both ask for the
witness's line. ``Cosigner`` holds the memory alone from reading to writing, and writes before it answers: two requests
at the same time cannot roll it back.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from bailiwick.errors import ProofRejected, Unavailable
from bailiwick.keys import NAME_PATTERN, Signer, Verifier, decode_base64
from bailiwick.ledger.note import COSIGNED_BYTES_MAX, Cosignature, cosign, is_cosigned, read_cosignatures
from bailiwick.ledger.proof import HASH_BYTES, SIZE_MAX, verify_consistency
from bailiwick.ledger.tree import EMPTY_ROOT
from bailiwick.model import Checkpoint, WitnessAnswer
from bailiwick.ports import Clock, Witness, WitnessMemory

PROOF_LINES_MAX = 63
"""Hashes of one request, in number (C2SP tlog-witness)."""
REQUEST_BYTES_MAX = COSIGNED_BYTES_MAX + PROOF_LINES_MAX * 45 + 64
"""Longest request that is read, in bytes."""
SIZE_MEDIA = "text/x.tlog.size"

_OLD = re.compile(rb"old (0|[1-9][0-9]{0,18})").fullmatch
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}").fullmatch
_DASH = "\u2014"
_NANOSECONDS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmittedNote:
    """A checkpoint as anybody's log may write it: with more lines of text, and with signatures that nobody knows."""

    text: bytes
    origin: str
    size: int
    root: bytes
    signatures: tuple[tuple[bytes, str, bytes], ...]

    def signed_by(self, verifiers: Sequence[Verifier]) -> bytes:
        """Give the lines by these keys; empty where there are none, or where one that claims to be theirs is not."""
        lines = []
        for line, name, blob in self.signatures:
            for verifier in verifiers:
                if (name, blob[:4]) == (verifier.name, verifier.key_id):
                    if not verifier.is_signed(self.text, blob[4:]):
                        return b""
                    lines.append(line)
        return b"".join(lines)


def write_request(older: int, proof: Sequence[bytes], note: bytes) -> bytes:
    """Write what is asked of a witness, which is also a proof of growth that anybody can check."""
    hashes = b"".join(base64.b64encode(digest) + b"\n" for digest in proof)
    return b"old %d\n%b\n%b" % (older, hashes, note)


def read_request(request: bytes) -> tuple[int, list[bytes], bytes]:
    """Read what is asked of a witness: the old size, the proof, and the checkpoint's bytes.

    Raises:
        ValueError: it has another form.
    """
    if len(request) > REQUEST_BYTES_MAX:
        raise ValueError(f"{len(request)} bytes; at most {REQUEST_BYTES_MAX}")
    head, gap, note = request.partition(b"\n\n")
    first, *lines = head.split(b"\n")
    old = _OLD(first)
    if not gap or old is None or len(lines) > PROOF_LINES_MAX:
        raise ValueError("it does not begin with the old size, up to 63 hashes, and an empty line")
    proof = [decode_base64(line.decode("ascii", "replace")) for line in lines]
    if any(len(digest) != HASH_BYTES for digest in proof):
        raise ValueError("a hash of another length")
    return int(old[1]), proof, note


def read_submitted(note: bytes) -> SubmittedNote:
    """Read a checkpoint of anybody's log (C2SP tlog-checkpoint, signed-note).

    Raises:
        ValueError: it is none.
    """
    text, gap, tail = note.rpartition(b"\n\n")
    lines = (text + b"\n").decode().split("\n")[:-1]
    if not gap or not tail.endswith(b"\n") or len(lines) < 3 or any(not line or _has_control(line) for line in lines):
        raise ValueError("a checkpoint has three lines or more, an empty one, and signatures")
    root = decode_base64(lines[2])
    if not _SIZE(lines[1]) or int(lines[1]) > SIZE_MAX or len(root) != HASH_BYTES:
        raise ValueError("its size or its root has another form")
    signatures = tuple(_read_signature(line) for line in tail.splitlines(keepends=True))
    return SubmittedNote(text=text + b"\n", origin=lines[0], size=int(lines[1]), root=root, signatures=signatures)


def answer_request(
    request: bytes, held: bytes, logs: Sequence[Verifier], signer: Signer, time_s: int
) -> tuple[bytes, WitnessAnswer]:
    """Answer one request, and give what is to be held from now on; held and unchanged where nothing was cosigned.

    Args:
        request: Body of ``add-checkpoint``.
        held: The checkpoint that is held for the request's origin, with this witness's line; empty for none.
        logs: Every key that the witness knows, of any log.
        signer: The witness's own key, for cosignatures.
        time_s: Seconds since 1970; more than 0.

    Source: C2SP tlog-witness, add-checkpoint; the checks are in its order.
    """
    try:
        submitted, log_lines, note = _check_request(request, held, logs)
    except _Refused as refused:
        return held, refused.answer
    line = cosign(note, time_s, signer).line()
    return submitted.text + b"\n" + log_lines + line, WitnessAnswer(status=200, body=line)


class _Refused(Exception):
    """A request that is not granted, and the answer to it."""

    def __init__(self, status: int, why: str, media: str = "text/plain; charset=utf-8") -> None:
        super().__init__(why)
        self.answer = WitnessAnswer(status=status, body=f"{why}\n".encode(), media=media)


def _check_request(request: bytes, held: bytes, logs: Sequence[Verifier]) -> tuple[SubmittedNote, bytes, bytes]:
    """Give the checkpoint, the lines by which its log signed it, and its bytes."""
    try:
        older, proof, note = read_request(request)
        submitted = read_submitted(note)
    except ValueError as error:
        raise _Refused(400, str(error)) from error
    known = [verifier for verifier in logs if verifier.name == submitted.origin]
    if not known:
        raise _Refused(404, "this log is not known here")
    log_lines = submitted.signed_by(known)
    if not log_lines:
        raise _Refused(403, "no known key of this log signed the checkpoint")
    if older > submitted.size:
        raise _Refused(400, f"the old size {older} is above the checkpoint's, {submitted.size}")
    before = read_submitted(held) if held else None
    if older != (before.size if before else 0):
        raise _Refused(409, str(before.size if before else 0), SIZE_MEDIA)
    try:
        _check_growth(older, before.root if before else EMPTY_ROOT, submitted, proof)
    except ProofRejected as error:
        raise _Refused(422, error.message) from error
    return submitted, log_lines, note


class Cosigner:
    """A witness at work: keys, memory and clock joined. Thread-safe; see ``ports.Witness``."""

    def __init__(self, memory: WitnessMemory, signer: Signer, logs: Sequence[Verifier], *, clock: Clock) -> None:
        self._memory = memory
        self._signer = signer
        self._logs = tuple(logs)
        self._clock = clock

    @property
    def verifier(self) -> Verifier:
        """The witness's key."""
        return self._signer.verifier

    def add_checkpoint(self, request: bytes) -> WitnessAnswer:
        """Answer a request; what it cosigned is durable before it answers.

        Raises:
            Unavailable: the memory or the clock failed; nothing was answered.
        """
        origin = self._origin(request)
        if origin is None:
            return answer_request(request, b"", self._logs, self._signer, 1)[1]
        time_s = self._clock.now_ns() // _NANOSECONDS_PER_S
        if time_s <= 0:
            raise Unavailable("the clock stands before 1970", hint="set the clock", code="clock")
        with self._memory.exclusive(origin):
            held = self._memory.read(origin)
            kept, answer = answer_request(request, held, self._logs, self._signer, time_s)
            if answer.status == 200:
                self._memory.write(origin, kept)
        return answer

    def checkpoint(self, origin: str) -> bytes:
        """Give the newest checkpoint that was cosigned for a log; empty where there is none.

        Raises:
            Unavailable: the memory cannot be read.
        """
        return self._memory.read(origin) if any(log.name == origin for log in self._logs) else b""

    def origins(self) -> list[str]:
        """List the logs that it knows, sorted."""
        return sorted({log.name for log in self._logs})

    @staticmethod
    def size_of(note: bytes, keys: Sequence[Verifier]) -> int:
        """Give the size of a checkpoint that a witness shows, where one of a ledger's own keys signed it; else 0."""
        try:
            shown = read_submitted(note)
        except ValueError:
            return 0
        return shown.size if shown.signed_by([key for key in keys if key.name == shown.origin]) else 0

    def _origin(self, request: bytes) -> str | None:
        """Give the origin that a request is for, where it is one of a log that is known."""
        try:
            origin = read_submitted(read_request(request)[2]).origin
        except ValueError:
            return None
        return origin if any(log.name == origin for log in self._logs) else None


def _check_growth(older: int, root: bytes, submitted: SubmittedNote, proof: Sequence[bytes]) -> None:
    if submitted.size == 0 and submitted.root != EMPTY_ROOT:
        raise ProofRejected("an empty tree has another root", hint="sign the root of the empty tree")
    verify_consistency(older, root, submitted.size, submitted.root, proof)


def _read_signature(line: bytes) -> tuple[bytes, str, bytes]:
    dash, _, rest = line.decode().removesuffix("\n").partition(" ")
    name, _, blob_text = rest.partition(" ")
    blob = decode_base64(blob_text)
    if dash != _DASH or not NAME_PATTERN.match(name) or len(blob) < 5:
        raise ValueError("a signature line has another form")
    return line, name, blob


def _has_control(line: str) -> bool:
    return any(ord(character) < 0x20 for character in line)


# --- asking ---------------------------------------------------------------------------------------------------------


class WitnessVerdict(StrEnum):
    """What came of asking a witness."""

    COSIGNED = "cosigned"
    UNAVAILABLE = "unavailable"
    """No answer in time."""
    REFUSED = "refused"
    """It does not know the log or its key, or somebody else was quicker; nothing is wrong with the ledger."""
    LIES = "lies"
    """It answers what it cannot prove: a signature that is not its own, a size that nobody signed."""
    AHEAD = "ahead"
    """It holds a larger checkpoint that the ledger's own key signed: records were lost here."""
    FORKED = "forked"
    """It holds a checkpoint that the ledger's own key signed, of another history."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one witness said to one checkpoint. ``size`` is what it holds, as far as it proved; 0 for nothing."""

    name: str
    verdict: WitnessVerdict
    message: str
    size: int = 0
    cosignature: Cosignature | None = None


class Grower(Protocol):
    """The tree that a ledger asks for cosignatures with."""

    def growth(self, older: int, size: int) -> list[bytes]:
        """Give the consistency proof from one size to another."""
        ...

    def root(self, size: int) -> bytes:
        """Give the root at a size."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """One checkpoint on its way to witnesses: the ledger's keys and its tree go with it."""

    checkpoint: Checkpoint
    keys: Sequence[Verifier]
    tree: Grower

    def ask(self, witness: Witness, name: str, verifier: Verifier, *, held: int = 0) -> Outcome:
        """Ask one witness for its line. Never raises for what it answers, or for no answer.

        Args:
            witness: Whom to ask.
            name: What it is called here.
            verifier: Its key; nothing that it says without it is believed.
            held: The size that it is thought to hold; a wrong guess costs one more request.
        """
        try:
            return self._ask(witness, name, verifier, held if held <= self.checkpoint.size else 0)
        except Unavailable as error:
            return Outcome(name=name, verdict=WitnessVerdict.UNAVAILABLE, message=error.message)

    def _ask(self, witness: Witness, name: str, verifier: Verifier, held: int) -> Outcome:
        answer = self._send(witness, held)
        if answer.status == 409:
            size = _read_size(answer)
            if size is None or size > self.checkpoint.size:
                return self._suspect(witness, name, f"it holds size {'?' if size is None else size}")
            answer = self._send(witness, size)
        if answer.status == 200:
            return self._accept(answer, name, verifier)
        if answer.status == 422:
            return self._suspect(witness, name, "it says that the ledger did not grow from what it holds")
        return Outcome(name=name, verdict=WitnessVerdict.REFUSED, message=_refusal(answer))

    def _send(self, witness: Witness, held: int) -> WitnessAnswer:
        proof = self.tree.growth(held, self.checkpoint.size)
        return witness.add_checkpoint(write_request(held, proof, self.checkpoint.note))

    def _accept(self, answer: WitnessAnswer, name: str, verifier: Verifier) -> Outcome:
        try:
            lines = read_cosignatures(answer.body)
        except ValueError as error:
            return Outcome(name=name, verdict=WitnessVerdict.LIES, message=f"its answer cannot be read: {error}")
        own = next((line for line in lines if is_cosigned(self.checkpoint.note, line, verifier)), None)
        if own is None:
            message = f"its answer is not signed by {verifier.text()}"
            return Outcome(name=name, verdict=WitnessVerdict.LIES, message=message)
        size = self.checkpoint.size
        message = f"size {size}"
        return Outcome(name=name, verdict=WitnessVerdict.COSIGNED, message=message, size=size, cosignature=own)

    def _suspect(self, witness: Witness, name: str, claim: str) -> Outcome:
        """See whether a witness can prove that the ledger lost or changed something: by the ledger's own signature."""
        try:
            shown = read_submitted(witness.checkpoint(self.checkpoint.origin))
        except ValueError:
            return Outcome(name=name, verdict=WitnessVerdict.LIES, message=f"{claim}, and shows no checkpoint")
        if shown.origin != self.checkpoint.origin or not shown.signed_by(self.keys):
            message = f"{claim}, and shows what no key of this ledger signed"
            return Outcome(name=name, verdict=WitnessVerdict.LIES, message=message)
        if shown.size > self.checkpoint.size:
            message = f"it holds {shown.size} records that this ledger signed, and here are {self.checkpoint.size}"
            return Outcome(name=name, verdict=WitnessVerdict.AHEAD, message=message, size=shown.size)
        if self.tree.root(shown.size) != shown.root:
            message = f"at size {shown.size} it holds another history that this ledger signed"
            return Outcome(name=name, verdict=WitnessVerdict.FORKED, message=message, size=shown.size)
        message = f"{claim}, and what it shows is of this history, at size {shown.size}"
        return Outcome(name=name, verdict=WitnessVerdict.LIES, message=message, size=shown.size)


def _read_size(answer: WitnessAnswer) -> int | None:
    text = answer.body.decode("ascii", "replace").removesuffix("\n")
    return int(text) if _SIZE(text) and int(text) <= SIZE_MAX else None


def _refusal(answer: WitnessAnswer) -> str:
    why = {
        404: "it does not know this ledger; its owner adds it: bailiwick ledger witness trust KEY",
        403: "it knows another key of this ledger; its owner adds the new one: bailiwick ledger witness trust KEY",
        409: "somebody else asks it for the same ledger at the same time",
    }
    return why.get(answer.status, f"it answers {answer.status}")
