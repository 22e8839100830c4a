"""Facts and a date become a decision: pure, the same each time, with a trace of every rule.

    inputs ─▶ parameters of the day ─▶ assumptions ─▶ measures, level by level ─▶ impact rows ─▶ effects

A value that is absent, ill-typed or not yet law makes whatever needs it indeterminate, with the cause; it is never
taken for false, and no later row is taken past a row that could not be decided.
"""

from __future__ import annotations

from collections.abc import Mapping

from bailiwick.model import Decision, JsonValue
from bailiwick.packs.evaluation.assumptions import Assumptions
from bailiwick.packs.evaluation.hearing import CallModule, Hearing
from bailiwick.packs.evaluation.impacts import Conclusion
from bailiwick.packs.evaluation.known import Sheets
from bailiwick.packs.evaluation.levels import Stage
from bailiwick.packs.format.pack import Pack
from bailiwick.packs.language.dates import check_date

_NONE_OPEN: frozenset[str] = frozenset()


def evaluate(
    pack: Pack,
    facts: Mapping[str, JsonValue],
    legal_date: str,
    known_at: str | None = None,
    *,
    open_paths: frozenset[str] = _NONE_OPEN,
    call_module: CallModule | None = None,
) -> Decision:
    """Judge facts by a pack.

    Args:
        pack: Loaded and checked.
        facts: JSON without floats; normally what ``pack.check_input`` accepted. No fault in them raises.
        legal_date: ``YYYY-MM-DD``: by the law of which day.
        known_at: RFC 3339: when whoever owes the duty learned of it; gives obligations their moment.
        open_paths: Absent facts that may still come (``in.…``): not even their absence is known, and no assumption
            stands for them. What is decided nevertheless stays so, whatever they turn out to be.
        call_module: Runs the modules that the pack's rules call; without it their measures are indeterminate, cause
            ``module-not-run``.

    Raises:
        UsageRefused: ``legal_date`` is not a date.
        Unavailable: a module was stopped by the wall clock.

    Cost: about 4 microseconds a rule; the first call for a pack prepares it, some milliseconds.
    """
    plan = plan_of(pack)
    known = plan.sheets.known(facts, check_date(legal_date), open_paths)
    hearing = Hearing(facts, known, legal_date, known_at, open_paths=open_paths, call_module=call_module)
    plan.assumptions.apply(hearing)
    for stage in plan.stages:
        stage.judge(hearing)
    impact, effects = plan.conclusion.reach(hearing)
    return Decision(
        measurements=tuple(hearing.measurements),
        impact=impact,
        effects=effects,
        trace=tuple(hearing.trace),
        modules=tuple(hearing.modules.values()),
        fuel=hearing.fuel,
    )


class Plan:
    """A pack prepared for judging: everything that does not depend on the case."""

    __slots__ = ("assumptions", "conclusion", "sheets", "stages")

    def __init__(self, pack: Pack) -> None:
        self.sheets = Sheets(pack)
        self.assumptions = Assumptions(pack)
        self.stages = tuple(Stage(pack.language, level) for level in pack.levels)
        self.conclusion = Conclusion(pack)


def plan_of(pack: Pack) -> Plan:
    """Give the pack's plan, made when it is first asked for; two threads may make it twice, to the same effect."""
    plan: Plan | None = pack.prepared.get("plan")
    if plan is None:
        plan = pack.prepared["plan"] = Plan(pack)
    return plan
