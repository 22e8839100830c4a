"""One call at the desk, told from its first question to its cost: what was asked of the host, and what it answered."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bailiwick.authoring.cases import Runner
from bailiwick.engine import HostLink, Refusal, read_answer
from bailiwick.errors import BailiwickError, ModuleFailed
from bailiwick.model import Budget, HostCall, JsonValue
from bailiwick.schema import Contract, parse_document

SHOWN_CHARACTERS_MAX = 200
"""Longest value that a line shows, in characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One call: ``answer`` or ``refusal`` or ``failure``, what the host was asked, and what it took.

    ``fuel`` is in units, 0 where it is not counted, as is ``memory_bytes``; ``took_us`` in microseconds of wall time.
    """

    function: str
    answer: JsonValue = None
    refusal: Refusal | None = None
    failure: BailiwickError | None = None
    questions: tuple[HostCall, ...] = ()
    fuel: int = 0
    memory_bytes: int = 0
    took_us: int = 0

    @property
    def is_answered(self) -> bool:
        """Whether the module gave an answer, and one that its schema allows."""
        return self.refusal is None and self.failure is None

    def to_json(self) -> dict[str, JsonValue]:
        """Give the trace as JSON."""
        told: dict[str, Any] = {"function": self.function}
        if self.failure is not None:
            told["failure"] = {"code": self.failure.code, "message": self.failure.message}
        elif self.refusal is not None:
            told["error"] = {"code": self.refusal.code, "message": self.refusal.message}
        else:
            told["ok"] = self.answer
        cost = {"fuel": self.fuel, "memory_bytes": self.memory_bytes, "took_us": self.took_us}
        return {**told, "host": [_question_json(each) for each in self.questions], "run": cost}

    def lines(self) -> list[tuple[str, str]]:
        """Give the trace for people: a kind (``asked``, ``refused``, ``answer``, ``failed``, ``cost``) and a line.

        Wall time is left out: it is another each time.
        """
        lines = [_question_line(each) for each in self.questions]
        if self.failure is not None:
            lines.append(("failed", f"  {self.function} failed: {self.failure.message} ({self.failure.code})"))
        elif self.refusal is not None:
            lines.append(("refused", f"  {self.function} refuses: {self.refusal.message} ({self.refusal.code})"))
        else:
            lines.append(("answer", f"  {self.function} answers {_short(self.answer)}"))
        if self.fuel or self.memory_bytes:
            lines.append(("cost", f"  fuel {self.fuel:,}, memory {self.memory_bytes:,} bytes"))
        return lines


def trace_call(
    manifest: Mapping[str, Any],
    runner: Runner,
    guest: Any,
    function: str,
    input: bytes,  # noqa: A002 the ABI's own word
    *,
    budget: Budget,
    host: HostLink,
) -> Trace:
    """Call a function, held to its schemas as a real call is, and tell all of it. A failed call is a trace too.

    Raises:
        Unavailable: the host cannot run it now.
        InputRefused: the input is no JSON.
    """
    value = parse_document(input)
    schemas = manifest["functions"].get(function)
    began = time.perf_counter_ns()
    try:
        if schemas is not None:
            Contract(schemas["input"], assert_formats=True).check(value, subject="the input")
        began = time.perf_counter_ns()
        run = runner.run(guest, function, input, budget, host=host)
        took_us = (time.perf_counter_ns() - began) // 1000
        read = read_answer(run.output)
        refusal = read if isinstance(read, Refusal) else None
        answer = None if refusal else json.loads(run.output)["ok"]
        failure = None if refusal or schemas is None else _unfit(schemas, read)
    except ModuleFailed as failed:
        took_us = (time.perf_counter_ns() - began) // 1000
        return Trace(function=function, failure=failed, questions=failed.transcript, took_us=took_us)
    except BailiwickError as error:
        if error.exit_code != ModuleFailed.exit_code:
            raise
        return Trace(function=function, failure=error)
    return Trace(
        function=function,
        answer=answer,
        refusal=refusal,
        failure=failure,
        questions=run.transcript,
        fuel=run.fuel,
        memory_bytes=run.memory_bytes,
        took_us=took_us,
    )


def _unfit(schemas: Mapping[str, Any], answer: Any) -> BailiwickError | None:
    """Give the violation of an answer that breaks the function's own schema."""
    try:
        Contract(schemas["output"], assert_formats=True).check(answer, subject="the output")
    except BailiwickError as error:
        return error
    return None


def _question_line(call: HostCall) -> tuple[str, str]:
    asked = f"  asks {call.interface}#{call.function} {_short(call.input)}"
    if call.error is not None:
        return "refused", f"{asked}: refused, {call.error.get('message')} ({call.error.get('code')})"
    return "asked", f"{asked}: {_short(call.output)}" + (f", fuel {call.fuel:,}" if call.fuel else "")


def _question_json(call: HostCall) -> dict[str, JsonValue]:
    told: dict[str, Any] = {"interface": call.interface, "function": call.function, "input": call.input}
    said = {"output": call.output} if call.error is None else {"error": dict(call.error)}
    return {**told, **said, "fuel": call.fuel}


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= SHOWN_CHARACTERS_MAX else text[: SHOWN_CHARACTERS_MAX - 3] + "..."
