"""A recorded call, run again: the same code, input and budget, and the host's answers from the transcript.

What comes out has to be the same to the byte, at the same price. Nothing is asked of the real host, nothing recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bailiwick.canonical import digest
from bailiwick.engine import Engine, TranscriptHost, variant_of
from bailiwick.errors import ModuleFailed, Unavailable
from bailiwick.model import Budget, HostCall, JsonValue, Record
from bailiwick.ports import BlobStore
from bailiwick.supervisor.binaries import kept_texts
from bailiwick.supervisor.check import variants_of
from bailiwick.supervisor.kept import kept_parts, recorded_engine, recorded_pieces
from bailiwick.supervisor.manifest import parse_manifest, read_manifest
from bailiwick.supervisor.values import encode_value, in_order

DIFFERS = "transcript-differs"
"""Code by which the engine says that a guest asks something else than it did."""


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


class SortedTranscript(TranscriptHost):
    """Compares questions whatever the order of their members: they were kept sorted."""

    def call(
        self,
        interface: str,
        function: str,
        input: JsonValue,  # noqa: A002 the ABI's own word
        *,
        left: Budget,
        charge: Callable[[int], None],
    ) -> JsonValue:
        """Give the answer of the same place in the transcript."""
        return super().call(interface, function, in_order(input), left=left, charge=charge)


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
    runner = b"".join(blobs.get(tenant, piece) for piece in recorded_engine(transcript))
    if runner:
        manifest = read_manifest(parse_manifest(blobs.get(tenant, transcript["module"]["manifest"])))
        variants = variants_of(manifest, kept_texts(tenant, blobs, manifest))
        guest = engine.load_script(wasm, runner, memory_bytes_max=budget.memory_bytes, variants=variants)
    else:
        guest = engine.load(wasm, memory_bytes_max=budget.memory_bytes)
    told_then = SortedTranscript(host_calls(run["calls"]))
    raw, code, fuel = None, None, detail["fuel"]
    asks_the_same, given = True, encode_value(told["input"])
    try:
        made = engine.run(guest, detail["function"], given, budget, host=told_then)
        raw, fuel = digest(made.output), made.fuel
        told_then.check_finished()
    except ModuleFailed as error:
        code, fuel = error.code, error.fuel
    except Unavailable as error:
        if error.code != DIFFERS:
            raise
        asks_the_same = False
    pairs = {
        "module": (guest.digest, detail["module"]["digest"]),
        "bytes": (raw, None if output is None else output["bytes"]),
        "fuel": (fuel, detail["fuel"]),
        "questions": (asks_the_same, True),
        "variant": (variant_of(guest, given), detail.get("variant")),
    }
    if detail["outcome"] == "failed" and raw is None:
        pairs["code"] = (code, detail["code"])
    differing = tuple(name for name, (now, then) in pairs.items() if now != then)
    outcome = detail["outcome"] if not differing else "differs"
    return Replayed(record=record.index, outcome=outcome, fuel=fuel, output=raw, differing=differing)


def host_calls(told: Any) -> list[HostCall]:
    """Read back what a call asked of the host, and was answered."""
    return [_host_call(each) for each in told]


def _host_call(told: Any) -> HostCall:
    return HostCall(
        interface=told["interface"],
        function=told["function"],
        input=told["input"],
        output=told.get("output"),
        error=told.get("error"),
        fuel=told.get("fuel", 0),
    )
