"""One trial of a pack: its cases and properties; where asked for, coverage of conditions and the mutation score."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TypeAlias

from bailiwick.model import JsonValue
from bailiwick.packs.format.pack import Pack
from bailiwick.packs.trying.cases import CaseReport, run_cases
from bailiwick.packs.trying.coverage import Coverage, cover
from bailiwick.packs.trying.generated import generated
from bailiwick.packs.trying.known import Decider, Known, decide, known_cases
from bailiwick.packs.trying.mutation import Mutation, mutants_of, mutate
from bailiwick.packs.trying.places import Places
from bailiwick.packs.trying.properties import PropertyReport, check_properties

SEED = 1904
"""The seed that inputs are drawn from where nobody names one."""
INPUTS = 500
"""How many inputs are tried where nobody says."""

Progress: TypeAlias = Callable[[str, int | None], AbstractContextManager[Callable[[int], None]]]
"""Opens a show of progress: what is being done, how many steps it has; gives what is told of each step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """How far a trial goes: coverage of conditions, the mutation score; how many inputs are drawn, and their seed."""

    coverage: bool = False
    mutation: bool = False
    inputs: int = INPUTS
    seed: int = SEED


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """How a pack did: its cases, and what else was tried (None where it was not)."""

    cases: CaseReport
    seed: int
    properties: PropertyReport | None
    coverage: Coverage | None
    mutation: Mutation | None
    places: Places

    @property
    def is_passed(self) -> bool:
        """Whether every case came out as written and every property held; coverage and score are told, not judged."""
        return self.cases.is_passed and not (self.properties is not None and self.properties.failed)

    def to_json(self) -> dict[str, JsonValue]:
        """Give the trial as JSON: the report of the cases, and a member for each further thing that was tried."""
        found = self.cases.to_json()
        if self.properties is not None:
            found["properties"] = {"seed": self.seed, **self.properties.to_json()}
        if self.coverage is not None:
            found["coverage"] = self.coverage.to_json()
        if self.mutation is not None:
            found["mutation"] = {
                "mutants": self.mutation.mutants,
                "killed": self.mutation.killed,
                "score": self.mutation.score,
                "seed": self.seed,
                "survived": [
                    {**each.to_json(), **self.places.of(each.mutant.rule).to_json()} for each in self.mutation.survived
                ],
            }
        return found


@contextmanager
def _unseen(_label: str, _total: int | None) -> Iterator[Callable[[int], None]]:
    def advance(_count: int) -> None:
        """Show progress to nobody."""

    yield advance


def try_pack(
    pack: Pack, files: Mapping[str, bytes], aim: Aim = Aim(), *, decider: Decider = decide, progress: Progress = _unseen
) -> Trial:
    """Try a pack.

    Args:
        pack: Loaded from ``files``.
        files: Its files, to say where things stand.
        aim: How far to go.
        decider: Decides; a pack that calls modules needs one that can.
        progress: Shows how far long work has come.

    Raises:
        UsageRefused: more inputs than can be drawn (code ``inputs-count``).
    """
    cases = run_cases(pack, decider)
    drawn: list[Known] = []
    if pack.properties or aim.mutation:
        with progress("inputs", aim.inputs) as advance:
            for known in generated(pack, aim.inputs, aim.seed, decider):
                drawn.append(known)
                advance(1)
    coverage = cover(pack, [known for _, known in known_cases(pack, decider)]) if aim.coverage else None
    mutation = None
    if aim.mutation:
        mutants = list(mutants_of(pack))
        with progress("mutants", len(mutants)) as advance:
            mutation = mutate(pack, mutants, drawn, decider=decider, advance=advance)
    return Trial(
        cases=cases,
        seed=aim.seed,
        properties=check_properties(pack, drawn) if pack.properties else None,
        coverage=coverage,
        mutation=mutation,
        places=Places(files),
    )
