"""The interview itself: answers and a pack give the next question, or the end. Stateless; nothing outside is touched.

    answers ─▶ asked again from the beginning ─▶ first question without an answer, or what follows from all of them

Going through again each time is what lets a person change an earlier answer without loss: what the change makes
needless is kept, and not used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from bailiwick.errors import InputRefused, NotFound, Violation
from bailiwick.model import Decision, JsonValue
from bailiwick.packs.evaluation.evaluate import evaluate
from bailiwick.packs.evaluation.hearing import CallModule
from bailiwick.packs.format.pack import Pack
from bailiwick.packs.interview.asking import Askable, Catalogue
from bailiwick.packs.interview.needs import KNOWN_AT, Dependencies, Moment, Rule
from bailiwick.packs.interview.session import LEGAL_DATE, Session, is_blank


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far an interview is: questions answered that matter, and how many can still come, at least and at most."""

    answered: int
    least: int
    most: int

    def to_json(self) -> dict[str, JsonValue]:
        """Give the progress as JSON."""
        return {"answered": self.answered, "least": self.least, "most": self.most}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question to put to the person now.

    ``needed_by`` is the way from the rule that reads the fact to the conclusion, nearest first; ``answer`` what the
    person said before, where the question is only looked at again.
    """

    askable: Askable
    is_required: bool
    needed_by: tuple[Rule, ...]
    progress: Progress
    answer: JsonValue = None
    is_skipped: bool = False

    @property
    def path(self) -> str:
        """The fact that is asked for."""
        return self.askable.path


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """Nothing more matters: what follows from the answers.

    ``facts`` are the answers that were used, as the pack's input; ``unused`` the paths of answers that are kept and
    no longer matter; ``violations`` what the input schema has against the facts as a whole.
    """

    facts: Mapping[str, Any]
    legal_date: str
    decision: Decision
    unused: tuple[str, ...]
    violations: tuple[Violation, ...]
    progress: Progress


@dataclass(slots=True)
class _Way:
    """How far the answers lead: what was used of them, and what was open at each moment."""

    facts: dict[str, Any]
    used: dict[str, None]
    open_paths: frozenset[str]
    legal_date: str | None = None
    moment: Moment | None = None
    needed: str | None = None


class Interview:
    """Questions of one pack, put one at a time. Thread-safe: it keeps nothing of what is answered."""

    def __init__(self, pack: Pack, call_module: CallModule | None = None) -> None:
        """Prepare the interview.

        Args:
            pack: What asks.
            call_module: Runs the modules that the pack's rules call; a pack without calls needs none.

        Raises:
            InputRefused: the pack asks nothing of people (code ``no-questions``).
        """
        if not pack.questions or pack.foreign:
            raise InputRefused(
                f"pack {pack.name} has no questions for people",
                hint="its facts come as documents: bailiwick decide; an author adds x-question to schemas/input.json",
                code="no-questions",
            )
        self.pack, self._call_module = pack, call_module
        self.catalogue = Catalogue(pack)
        self.dependencies = Dependencies(pack)

    def begin(self) -> Session:
        """Give the session in which nothing was said yet."""
        return Session(pack=self.pack.name, version=self.pack.version, digest=self.pack.digest)

    # --- answers ------------------------------------------------------------------------------------------------------

    def answer(self, session: Session, path: str, value: Any) -> Session:
        """Give the session with one answer, checked at once by its part of the input schema.

        Raises:
            NotFound: the pack has no such fact (code ``question-not-found``).
            InputRefused: nothing was said (code ``answer-blank``); an answer that was given before stays.
            SchemaViolated: the value is not what the schema asks for.
        """
        asked = self._find(path)
        if is_blank(value):
            raise InputRefused(
                f"{path} was answered with nothing",
                hint="say what it is, or that you do not know it: skip",
                code="answer-blank",
            )
        self.catalogue.contract(asked).check(value, subject=f"the answer to {path}")
        return session.with_answer(path, _whole(value))

    def merge(self, session: Session, answers: Mapping[str, Any]) -> Session:
        """Give the session with several answers, each checked; one that is blank never erases what was given before.

        Raises:
            NotFound, SchemaViolated: as ``answer``; then none of them was taken.
        """
        for path, value in answers.items():
            self._find(path)
            if not is_blank(value):
                session = self.answer(session, path, value)
        return session

    def skip(self, session: Session, path: str) -> Session:
        """Give the session in which the person does not know this.

        Raises:
            NotFound: the pack has no such fact.
            InputRefused: without it nothing can be decided (code ``answer-needed``).
        """
        asked = self._find(path)
        if asked.is_required(self.catalogue.facts(self._values(session))):
            raise InputRefused(
                f"{path} is needed: without it pack {self.pack.name} decides nothing",
                hint="answer it, or save and come back",
                code="answer-needed",
            )
        return session.with_skip(path)

    def answers_in(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Give answers by path from facts as the pack's input has them.

        Raises:
            NotFound: the pack has no such fact (code ``question-not-found``).
        """
        return dict(self._flat(facts, "in"))

    def _flat(self, facts: Mapping[str, Any], above: str) -> Iterator[tuple[str, Any]]:
        for name, value in facts.items():
            path = f"{above}.{name}"
            if isinstance(value, Mapping) and path not in self.catalogue.fields:
                yield from self._flat(value, path)
            elif not is_blank(value):
                yield self._find(path).path, value

    def _find(self, path: str) -> Askable:
        asked = self.catalogue.find(path)
        if asked is None:
            raise NotFound(
                f"pack {self.pack.name} has no fact {path[:80]!r}",
                hint=f"its questions begin with {', '.join(self.catalogue.order[:3])}",
                code="question-not-found",
            )
        return asked

    # --- going through ------------------------------------------------------------------------------------------------

    def next(self, session: Session) -> Asked | Finished:
        """Give the first question that still matters and has no answer, or what follows from the answers.

        Cost: one evaluation for each answer that matters.
        """
        way = self._go(session)
        if way.needed is not None:
            return self._asked(session, way, way.needed)
        assert way.legal_date is not None
        return Finished(
            facts=way.facts,
            legal_date=way.legal_date,
            decision=self._evaluate(way.facts, way.legal_date, frozenset()),
            unused=tuple(path for path in session.answers if path not in way.used),
            violations=tuple(self.pack.contract.violations(way.facts)),
            progress=Progress(answered=len(way.used), least=0, most=0),
        )

    def look_again(self, session: Session, path: str) -> Asked:
        """Give a question that was answered or skipped before, with what was said, to be kept or changed.

        Raises:
            NotFound: it was not answered yet (code ``question-not-found``).
        """
        if not session.has(path):
            raise NotFound(
                f"{path[:80]!r} was not answered yet", hint="look again at what was", code="question-not-found"
            )
        before = [each for each in session.order[: session.order.index(path)] if each in session.answers]
        way = self._go(
            Session(
                pack=session.pack,
                version=session.version,
                digest=session.digest,
                answers={each: session.answers[each] for each in before},
                order=tuple(before),
            ),
            stop_at=path,
        )
        return self._asked(session, way, path)

    def before(self, session: Session, path: str | None) -> str | None:
        """Name the question that was answered before ``path`` (None: before the newest), or None at the beginning."""
        way = self._go(session)
        order = [each for each in session.order if each in way.used and self._is_put(each)]
        place = order.index(path) if path in order else len(order)
        return order[place - 1] if place else None

    def unused(self, session: Session) -> tuple[str, ...]:
        """Name the answers that are kept and that, as things are, no longer matter."""
        way = self._go(session)
        return () if way.needed is not None else tuple(path for path in session.answers if path not in way.used)

    def _is_put(self, path: str) -> bool:
        return path == LEGAL_DATE or path in self.catalogue.rank

    def _values(self, session: Session) -> dict[str, Any]:
        return {path: value for path, value in session.answers.items() if path in self.catalogue.fields}

    def _go(self, session: Session, stop_at: str | None = None) -> _Way:
        """Put every question anew and answer it from the session, up to the first that has no answer."""
        unasked = {path: value for path, value in self._values(session).items() if path not in self.catalogue.rank}
        way = _Way(
            facts=self.catalogue.facts(unasked), used=dict.fromkeys(unasked), open_paths=frozenset(self.catalogue.order)
        )
        while True:
            way.needed = self._needed(session, way)
            if way.needed is None or not session.has(way.needed) or way.needed == stop_at:
                return way
            self._use(session, way, way.needed)

    def _use(self, session: Session, way: _Way, path: str) -> None:
        way.used[path] = None
        if path == LEGAL_DATE:
            way.legal_date = str(session.answers[path])
            return
        way.open_paths -= {path}
        if path in session.answers:
            place = way.facts
            *around, last = self.catalogue.fields[path].keys
            for key in around:
                place = place.setdefault(key, {})
            place[last] = session.answers[path]
        if path == self.pack.legal_date_path and way.legal_date is None:
            way.legal_date = self.pack.legal_date_in(way.facts)

    def _needed(self, session: Session, way: _Way) -> str | None:
        """Name the next question: the day of the law, what the schema requires, then what the rules wait for."""
        if way.legal_date is None:
            way.legal_date = self.pack.legal_date_in(way.facts)
        if way.legal_date is None:
            dated = self.pack.legal_date_path
            is_given = LEGAL_DATE in session.answers
            return dated if dated in way.open_paths and not is_given else LEGAL_DATE
        required = [path for path in self.catalogue.required(way.facts) if path in way.open_paths]
        if required:
            return required[0]
        decision = self._evaluate(way.facts, way.legal_date, way.open_paths)
        way.moment = Moment(self.pack, decision, way.facts, way.open_paths)
        waiting = self.dependencies.waiting(way.moment)
        return min(waiting, key=self.catalogue.rank.__getitem__, default=None)

    def _evaluate(self, facts: Mapping[str, Any], legal_date: str, open_paths: frozenset[str]) -> Decision:
        known_at = facts.get(KNOWN_AT.removeprefix("in."))
        return evaluate(
            self.pack,
            facts,
            legal_date,
            known_at=known_at if isinstance(known_at, str) else None,
            open_paths=open_paths,
            call_module=self._call_module,
        )

    def _asked(self, session: Session, way: _Way, path: str) -> Asked:
        asked = self._find(path)
        return Asked(
            askable=asked,
            is_required=asked.is_required(way.facts),
            needed_by=self._why(way, path),
            progress=self._progress(way, path),
            answer=session.answers.get(path),
            is_skipped=path in session.skipped,
        )

    def _why(self, way: _Way, path: str) -> tuple[Rule, ...]:
        if way.moment is None:
            return ()
        found = self.dependencies.chain(path, way.moment)
        if not found and path == KNOWN_AT:
            taken = next((each.rule for each in way.moment.decision.trace if each.kind == "impact"), "")
            return tuple(row for row in self.pack.rows if row.id == taken)
        return tuple(found)

    def _progress(self, way: _Way, path: str) -> Progress:
        """Count what can still come: this question at least, and at most every open fact that a rule could reach."""
        if way.moment is None:
            possible = set(self.catalogue.order) & way.open_paths
        else:
            later = self.dependencies.later(way.moment.decision)
            possible = self.dependencies.reach(later, way.moment)
            possible |= {KNOWN_AT} & way.open_paths
        possible |= {*self.catalogue.required(way.facts)} & way.open_paths
        return Progress(answered=len(way.used), least=1, most=len(possible | {path}))


def _whole(value: Any) -> Any:
    """Give what the schema took as an integer as one: ``3.0`` is 3."""
    if isinstance(value, list):
        return [_whole(item) for item in value]
    if isinstance(value, dict):
        return {name: _whole(item) for name, item in value.items()}
    return int(value) if isinstance(value, Decimal) else value
