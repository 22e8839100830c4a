"""A recorded call, run again: the same code, input and budget, and the host's answers from the transcript.

What comes out has to be the same to the byte, at the same price. Nothing is asked of the real host, nothing recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bailiwick.canonical import digest
from bailiwick.engine import Engine
from bailiwick.errors import ModuleFailed, Unavailable
from bailiwick.model import Budget, HostCall, JsonValue, Record
from bailiwick.ports import BlobStore
from bailiwick.supervisor.kept import kept_parts, recorded_pieces
from bailiwick.supervisor.refused import HostRefused
from bailiwick.supervisor.values import encode_value


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What running a call again gave, beside what its record says. ``differing`` names what is not the same."""

    record: int
    outcome: str
    fuel: int
    output: str | None
    differing: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON."""
        return {
            "record": self.record,
            "outcome": self.outcome,
            "fuel": self.fuel,
            "output": self.output,
            "same": not self.differing,
            "differing": list(self.differing),
        }


class TranscriptLink:
    """Answers a guest as a transcript says that the host did, and takes the fuel that it took."""

    def __init__(self, calls: list[Any]) -> None:
        self._calls = calls
        self.at = 0
        self.difference: str | None = None

    def call(
        self,
        interface: str,
        function: str,
        input: JsonValue,  # noqa: A002 the ABI's own word
        *,
        left: Budget,  # noqa: ARG002 the host's own word
        charge: Callable[[int], None],
    ) -> JsonValue:
        """Give the answer to the next question of the transcript, if it is this one.

        Raises:
            HostRefused: as the host refused then.
            Unavailable: the guest asks something else than it did.
        """
        told = self._calls[self.at] if self.at < len(self._calls) else None
        asked = HostCall(interface=interface, function=function, input=input)
        if told is None or not _is_same(told, asked):
            self.difference = f"question {self.at}"
            raise Unavailable(
                f"the guest asks {interface}#{function}, which it did not ask at that point",
                hint="the code, the engine or the transcript is not what it was",
                code="replay-differs",
            )
        self.at += 1
        if told.get("fuel"):
            charge(told["fuel"])
        if "error" in told:
            raise HostRefused(told["error"]["code"], told["error"]["message"])
        output: JsonValue = told["output"]
        return output


def replay_call(tenant: str, record: Record, blobs: BlobStore, engine: Engine) -> Replayed:
    """Run a recorded call again and compare.

    Raises:
        NotFound: it is the record of no call, or what was kept of it was erased.
        Unavailable: the host cannot run it now.
    """
    told, output, transcript = kept_parts(tenant, blobs, record)
    detail: Any = record.detail
    run = transcript["run"]
    wasm = b"".join(blobs.get(tenant, piece) for piece in recorded_pieces(transcript))
    budget = Budget(**transcript["budget"])
    guest = engine.load(wasm, memory_bytes_max=budget.memory_bytes)
    link = TranscriptLink(run["calls"])
    raw, code, fuel = None, None, detail["fuel"]
    try:
        made = engine.run(guest, detail["function"], encode_value(told["input"]), budget, host=link)
        raw, fuel = digest(made.output), made.fuel
    except ModuleFailed as error:
        code = error.code
    except Unavailable as error:
        if link.difference is None:
            raise
        code = error.code
    pairs = {
        "module": (guest.digest, detail["module"]["digest"]),
        "bytes": (raw, None if output is None else output["bytes"]),
        "fuel": (fuel, detail["fuel"]),
        "questions": (link.at, len(run["calls"])),
    }
    if detail["outcome"] == "failed" and raw is None:
        pairs["code"] = (code, detail["code"])
    differing = tuple(name for name, (now, then) in pairs.items() if now != then)
    outcome = detail["outcome"] if not differing else "differs"
    return Replayed(record=record.index, outcome=outcome, fuel=fuel, output=raw, differing=differing)


def _is_same(told: Any, asked: HostCall) -> bool:
    then = (told["interface"], told["function"], encode_value(told["input"]))
    return then == (asked.interface, asked.function, encode_value(asked.input))
