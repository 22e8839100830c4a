"""Step two: an observation becomes a decision. Pure: no clock, no dice, no files, no network."""

from __future__ import annotations

from collections.abc import Callable

from bailiwick.engine import Refusal, read_answer
from bailiwick.model import Decision, Observation, Run
from bailiwick.packs import CallModule, ModuleAnswer, ModuleUse, Pack, evaluate


def decide(observation: Observation, pack: Pack, call_module: CallModule | None = None) -> Decision:
    """Judge the observation's facts by the pack's rules as of its legal date.

    Where the facts do not allow an honest answer the outcome is ``indeterminate``, with the reason; that is a decision
    too, and it is sealed like any other.

    Args:
        observation: What is judged.
        pack: Whose rules.
        call_module: Runs the modules that the rules call (``calling``); a pack without calls needs none.

    Raises:
        Unavailable: a module was stopped by the wall clock; nothing is decided.
    """
    assert call_module is not None or not pack.calls, "a pack with calls is decided with its modules"
    known_at = observation.facts.get("known_at")
    return evaluate(
        pack,
        observation.facts,
        observation.legal_date,
        known_at=known_at if isinstance(known_at, str) else None,
        call_module=call_module,
    )


def calling(run: Callable[[ModuleUse, bytes], Run]) -> CallModule:
    """Make of a function that runs pinned modules one that gives rules their answers.

    Args:
        run: Runs a module's function on bytes; raises ``ModuleFailed`` where it fails by its own doing, and
            ``Unavailable`` where the wall clock stopped it.
    """

    def call_module(use: ModuleUse, message: bytes) -> ModuleAnswer:
        """Run a module's function, and read what it answered."""
        done = run(use, message)
        answer = read_answer(done.output)
        if isinstance(answer, Refusal):
            return ModuleAnswer(refusal=answer.code, fuel=done.fuel)
        return ModuleAnswer(value=answer, fuel=done.fuel)

    return call_module
