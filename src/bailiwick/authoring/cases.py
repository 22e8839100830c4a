"""The cases beside a module's source: what each function answers to which input, compared exactly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from bailiwick.canonical import canonical_bytes
from bailiwick.engine import HostLink, Refusal, TranscriptHost, read_answer
from bailiwick.errors import BailiwickError, ModuleFailed, Unavailable
from bailiwick.model import Budget, HostCall, JsonValue, Run
from bailiwick.schema import Contract, Schemas, parse_document

CONTRACT = "module-cases"


class Runner(Protocol):
    """Whoever runs one call of a module that it has loaded: an ``Engine``, or a ``NativeRunner``."""

    def run(
        self,
        guest: Any,
        function: str,
        input: bytes,  # noqa: A002 the ABI's own word
        budget: Budget,
        *,
        host: HostLink | None = None,
    ) -> Run:
        """Call one function; see ``Engine.run``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFailure:
    """A case that came out otherwise, in a sentence."""

    name: str
    difference: str

    def to_json(self) -> dict[str, JsonValue]:
        """Give the failure as JSON."""
        return {"name": self.name, "difference": self.difference}


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseReport:
    """How the cases came out. ``untried`` names functions of the manifest that no case calls."""

    cases: int
    failed: tuple[CaseFailure, ...]
    untried: tuple[str, ...]

    @property
    def is_passed(self) -> bool:
        """Whether every case came out as written; untried functions are told, not judged."""
        return not self.failed

    def to_json(self) -> dict[str, JsonValue]:
        """Give the report as JSON."""
        return {"cases": self.cases, "failed": [each.to_json() for each in self.failed], "untried": list(self.untried)}


def read_cases(raw: bytes) -> list[dict[str, Any]]:
    """Read ``cases.json``; no bytes are no cases.

    Raises:
        DocumentRefused, SchemaViolated: it is not a list of cases.
    """
    if not raw:
        return []
    cases: list[dict[str, Any]] = parse_document(raw)
    Schemas().contract(CONTRACT).check(cases, subject="cases.json")
    return cases


def run_cases(manifest: Mapping[str, Any], raw: bytes, guest: Any, engine: Runner, budget: Budget) -> CaseReport:
    """Run every case of a module, each in a sandbox of its own. What the host answers meanwhile stands in the case.

    An input that breaks the function's schema is refused before the guest sees it, as in real calls: such a case
    expects the error ``schema-violated``.

    Raises:
        DocumentRefused, SchemaViolated: the cases are not a list of cases.
        Unavailable: the host cannot run them now.
    """
    cases = read_cases(raw)
    failed = []
    for case in cases:
        difference = _run(manifest, case, guest, engine, budget)
        if difference:
            failed.append(CaseFailure(name=case["name"], difference=difference))
    tried = {case["function"] for case in cases}
    untried = tuple(sorted(name for name in manifest["functions"] if name not in tried))
    return CaseReport(cases=len(cases), failed=tuple(failed), untried=untried)


def _run(manifest: Mapping[str, Any], case: Mapping[str, Any], guest: Any, engine: Runner, budget: Budget) -> str:
    function = manifest["functions"].get(case["function"])
    if function is None:
        return f"the manifest has no function {case['function']}"
    given = _answer(function, case, guest, engine, budget)
    expected = f"refused: {case['error']}" if "error" in case else canonical_bytes(case["output"]).decode()
    if given.partition("\n")[0] == expected:
        return ""
    return f"{expected} expected, {given} given".replace("\n", ": ")


def _answer(function: Mapping[str, Any], case: Mapping[str, Any], guest: Any, engine: Runner, budget: Budget) -> str:
    """Give what came out as one line; what a refusal says stands on a second."""
    try:
        Contract(function["input"], assert_formats=True).check(case["input"], subject="the input")
        host = TranscriptHost([_host_call(each) for each in case.get("host", ())])
        run = engine.run(guest, case["function"], canonical_bytes(case["input"]), budget, host=host)
        host.check_finished()
        answer = read_answer(run.output)
        if isinstance(answer, Refusal):
            return f"refused: {answer.code}\n{answer.message}"
        Contract(function["output"], assert_formats=True).check(answer, subject="the output")
    except ModuleFailed as failure:
        return f"refused: {failure.code}\n{failure.message}"
    except Unavailable as error:
        if error.code != "transcript-differs":
            raise
        return f"host: {error.message}"
    except BailiwickError as error:
        if error.exit_code != ModuleFailed.exit_code:
            raise
        return f"refused: {error.code}\n{error.message}"
    return canonical_bytes(answer).decode()


def _host_call(case: Mapping[str, Any]) -> HostCall:
    """Read what the host answers; one without output and error answers with nothing."""
    return HostCall(
        interface=case["interface"],
        function=case["function"],
        input=case["input"],
        output=case.get("output"),
        error=case.get("error"),
    )
