"""What a new version of a module would have answered to the calls that really happened. Records nothing.

Each of the last calls is run again with the new code: the same input, the budget of the new manifest, and the answers
of the host from the transcript. A new version that asks the host something else than the old one did cannot be judged
so, and that is said.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bailiwick.engine import Engine, Refusal, read_answer
from bailiwick.errors import InputRefused, ModuleFailed, NotFound, Unavailable, UsageRefused
from bailiwick.ledger import Ledger
from bailiwick.model import Record
from bailiwick.ports import BlobStore
from bailiwick.supervisor.kept import kept_parts
from bailiwick.supervisor.loaded import Loaded
from bailiwick.supervisor.replay import DIFFERS, SortedTranscript, host_calls
from bailiwick.supervisor.state import CALLED
from bailiwick.supervisor.values import encode_value, in_order

CALLS_DEFAULT = 100
"""Calls that are rehearsed where nobody says how many."""
CALLS_MAX = 100_000
DIFFERENCES_MAX = 1_000
"""Differences that are told one by one; the others are counted."""
OUT_OF_FUEL_MAX = 10
"""Calls that use up all their fuel with the new version, after which the rest is left: each takes long."""
OUT_OF_FUEL = {"code": "module-out-of-fuel"}
_RECORDS_PER_LOOK = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class Otherwise:
    """A call that the new version would have ended otherwise.

    ``kind`` is ``answer`` (another value), ``refusal`` (one of the two refuses, or with another code), ``failure`` (one
    of the two fails), ``input`` (the new contract refuses the input), or ``questions`` (it asks the host otherwise).
    ``was`` and ``would_be`` are what came of it, for whoever asks; they never go into the ledger.
    """

    record: int
    function: str
    kind: str
    was: Any
    would_be: Any

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON."""
        return {
            "record": self.record,
            "function": self.function,
            "kind": self.kind,
            "was": self.was,
            "would_be": self.would_be,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What rehearsing some calls showed.

    ``gone`` counts calls of which what was kept was erased since, ``left`` those that were not tried any more because
    the new version had used up the fuel of ``OUT_OF_FUEL_MAX`` others.
    """

    calls: int
    differing: int
    kinds: dict[str, int]
    gone: int
    fuel_before: int
    fuel_now: int
    told: tuple[Otherwise, ...]
    left: int = 0

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON."""
        return {
            "calls": self.calls,
            "differing": self.differing,
            "kinds": self.kinds,
            "gone": self.gone,
            "left": self.left,
            "fuel": {"before": self.fuel_before, "now": self.fuel_now},
            "differences": [each.to_json() for each in self.told],
        }


def last_calls(ledger: Ledger, name: str, most: int) -> list[Record]:
    """Give the newest calls of a module that came to an end, oldest first; at most ``most``.

    Cost: the records are read from the newest back, some microseconds each.
    """
    found: list[Record] = []
    stop = ledger.size()
    while stop > 0 and len(found) < most:
        start = max(0, stop - _RECORDS_PER_LOOK)
        stretch = [each for each in ledger.records(start, stop) if _is_call(each, name)]
        found[:0] = stretch[-(most - len(found)) :]
        stop = start
    return found


def rehearse(
    tenant: str,
    records: list[Record],
    new: Loaded,
    blobs: BlobStore,
    engine: Engine,
    *,
    progress: Callable[[int], None] = lambda _: None,
) -> Rehearsal:
    """Run recorded calls with another version of their module and compare.

    Args:
        tenant: Whose calls.
        records: Calls of one module.
        new: The other version, loaded; it need not be installed.
        blobs: Where inputs, outputs and transcripts are kept.
        engine: Runs it.
        progress: Called with 1 after each call.
    """
    told: list[Otherwise] = []
    kinds: dict[str, int] = {}
    counts = {"calls": 0, "gone": 0, "before": 0, "now": 0, "out": 0, "left": 0}
    for record in records:
        progress(1)
        if counts["out"] >= OUT_OF_FUEL_MAX:
            counts["left"] += 1
            continue
        try:
            parts = kept_parts(tenant, blobs, record)
        except NotFound:
            counts["gone"] += 1
            continue
        counts["calls"] += 1
        otherwise, fuel = _rehearsed(record, parts, new, engine)
        if fuel is not None:
            counts["before"] += int(str(record.detail["fuel"]))
            counts["now"] += fuel
        if otherwise is not None:
            kinds[otherwise.kind] = kinds.get(otherwise.kind, 0) + 1
            counts["out"] += otherwise.would_be == OUT_OF_FUEL
            if len(told) < DIFFERENCES_MAX:
                told.append(otherwise)
    return Rehearsal(
        calls=counts["calls"],
        differing=sum(kinds.values()),
        kinds=dict(sorted(kinds.items())),
        gone=counts["gone"],
        left=counts["left"],
        fuel_before=counts["before"],
        fuel_now=counts["now"],
        told=tuple(told),
    )


def run_again(loaded: Loaded, engine: Engine, function: str, value: Any, calls: Any) -> tuple[str, Any, int]:
    """Run one call with what the host answered then, and say how it ends: a kind, what came, and the fuel it took.

    The kind is ``answer``, ``refusal``, ``failure``, ``input`` or ``questions``.

    Raises:
        Unavailable: the host cannot run it now.
    """
    told = SortedTranscript(host_calls(calls))
    try:
        budget = loaded.function(function).budget
        loaded.check_input(function, value)
        made = engine.run(loaded.guest, function, encode_value(value), budget, host=told)
        told.check_finished()
        answer = read_answer(made.output)
        if isinstance(answer, Refusal):
            return "refusal", {"code": answer.code}, made.fuel
        loaded.check_output(function, answer)
    except ModuleFailed as error:
        return "failure", {"code": error.code}, error.fuel
    except (InputRefused, NotFound, UsageRefused) as error:
        return "input", {"code": error.code, "message": error.message}, 0
    except Unavailable as error:
        if error.code != DIFFERS:
            raise
        return "questions", {"code": error.code, "message": error.message}, 0
    return "answer", in_order(answer), made.fuel


def _rehearsed(
    record: Record, parts: tuple[Any, Any, Any], new: Loaded, engine: Engine
) -> tuple[Otherwise | None, int | None]:
    given, output, transcript = parts
    function = str(record.detail["function"])
    before = _ended(record, output)
    kind, came, fuel = run_again(new, engine, function, given["input"], transcript["run"]["calls"])
    if (kind, came) == before:
        return None, fuel
    what = kind if kind == before[0] else next(each for each in _GRAVEST if each in (kind, before[0]))
    told = Otherwise(record=record.index, function=function, kind=what, was=before[1], would_be=came)
    return told, fuel if kind in ("answer", "refusal") else None


_GRAVEST = ("questions", "input", "failure", "refusal", "answer")


def _ended(record: Record, output: Any) -> tuple[str, Any]:
    """Say how a recorded call ended, in the words of ``run_again``."""
    detail: Any = record.detail
    if output is None or detail["outcome"] == "failed":
        return "failure", {"code": detail["code"]}
    answer = output["answer"]
    if "error" in answer:
        return "refusal", {"code": answer["error"]["code"]}
    return "answer", in_order(answer["ok"])


def _is_call(record: Record, name: str) -> bool:
    if record.event_type != CALLED:
        return False
    detail: Any = record.detail
    return bool(detail["module"]["name"] == name and detail["outcome"] != "unavailable")
