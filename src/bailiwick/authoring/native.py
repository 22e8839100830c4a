"""An operator's own Python, run in the operator's own process: quick to change, and not a sandbox in any sense.

Such a module reads any file, opens any connection and stops the process, as whoever runs it may. So it exists at the
desk only, for whoever wrote it: its form, ``native-python/1``, is neither signed nor installed, and no tenant reaches
it. What it shares with the others is around it: the manifest, the schemas, the cases, what it asks of the host and
the transcript of that. Each call makes new modules of the sources: nothing that a call left is there in the next.
"""

from __future__ import annotations

import builtins
import contextlib
import json
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import PurePosixPath
from types import CodeType, ModuleType
from typing import Any

from bailiwick.canonical import digest
from bailiwick.engine import HostLink, HostRefused, HostSession, HostStopped, NobodyAnswers, read_answer
from bailiwick.errors import InputRefused, ModuleFailed
from bailiwick.model import Budget, JsonValue, Run
from bailiwick.schema import parse_document

NATIVE = "native-python/1"
"""The form of a module that is an operator's own Python."""
MESSAGE_CHARACTERS_MAX = 1_000
"""Longest message of an exception that is passed on, in characters."""
GUEST = "bailiwick_guest"
"""What every module in Python may import, built or not: ``Refused``."""
HOST = "bailiwick_host"
"""What a native module may import besides: ``ask(interface, function, input)``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeGuest:
    """A native module that was read: its code by the name that imports it, and the digest of its main file."""

    main: str
    digest: str
    code: Mapping[str, CodeType] = field(repr=False)


class NativeRunner:
    """Runs native modules as an ``Engine`` runs others, as far as Python can be run so.

    Fuel and memory are not counted, and are 0; the deadline is not kept: whoever runs it presses Ctrl-C.
    """

    def load(self, main: str, sources: Mapping[str, bytes]) -> NativeGuest:
        """Read the sources of a module, by file name; ``main`` is one of them.

        Raises:
            InputRefused: one is not Python (code ``build-failed``), with its line.
        """
        return NativeGuest(
            main=PurePosixPath(main).stem,
            digest=digest(sources[main]),
            code={PurePosixPath(name).stem: _compiled(name, source) for name, source in sources.items()},
        )

    def run(
        self,
        guest: NativeGuest,
        function: str,
        input: bytes,  # noqa: A002 the ABI's own word
        budget: Budget,
        *,
        host: HostLink | None = None,
    ) -> Run:
        """Call one function with modules made for this call; see ``Engine.run``.

        Raises:
            DocumentRefused: the input is no strict JSON.
            ModuleFailed: the answer is none (``module-answer``), or it asked the host too much (``module-host-call``).
            Unavailable: the host failed.
        """
        value = parse_document(input)
        session = _session(host, budget)
        answer = _answer(guest, function, value, session)
        if session.failure is not None:
            raise _failure(session.failure, guest)
        output = json.dumps(answer, separators=(",", ":"), ensure_ascii=False).encode(errors="surrogatepass")
        read_answer(output)
        return Run(output=output, fuel=0, memory_bytes=0, transcript=session.transcript)


def _compiled(name: str, source: bytes) -> CodeType:
    try:
        return compile(source, name, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        why = f"{error.msg} (line {error.lineno})" if isinstance(error, SyntaxError) else str(error)
        raise InputRefused(f"{name} is not Python: {why}", hint="mend the source there", code="build-failed") from error


def _session(host: HostLink | None, budget: Budget) -> HostSession:
    """Stand by for the questions of one call; what the host charges is taken from the budget, as for any module."""
    left = [budget.fuel]
    end = time.monotonic() + budget.deadline_ms / 1000

    def set_fuel(fuel: int) -> None:
        left[0] = fuel

    return HostSession(
        host or NobodyAnswers(),
        budget,
        fuel_left=lambda: left[0],
        set_fuel=set_fuel,
        time_left=lambda: round((end - time.monotonic()) * 1000),
    )


def _answer(guest: NativeGuest, function: str, value: Any, session: HostSession) -> dict[str, Any]:
    """Call the author's function, and give its answer or refusal as the members ``ok`` or ``error``."""
    modules = _Modules(guest.code, session)
    refused = modules.refused
    try:
        own = getattr(modules.find(guest.main), function.replace(".", "_").replace("-", "_"), None)
        if own is None:
            return _error("function-unknown", f"the module has no function {function}")
        # What it prints is talk, and stdout is for results.
        with contextlib.redirect_stdout(sys.stderr):
            answer = own(value)
        json.dumps(answer, allow_nan=False)
    except KeyboardInterrupt:
        raise
    except refused as error:
        return _error(str(getattr(error, "code", "")), str(getattr(error, "message", "")))
    except BaseException as error:  # SystemExit too: the author's code ends no process of ours by an answer
        line = traceback.extract_tb(error.__traceback__)[-1].lineno
        return _error("exception", f"{type(error).__name__}: {error} (line {line})"[:MESSAGE_CHARACTERS_MAX])
    return {"ok": answer}


def _error(code: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}


class _Modules:
    """The author's files as modules of one call. Nothing of them stands in ``sys.modules``."""

    def __init__(self, code: Mapping[str, CodeType], session: HostSession) -> None:
        self._code = code
        self._made: dict[str, ModuleType] = {GUEST: ModuleType(GUEST), HOST: ModuleType(HOST)}
        glue = files("bailiwick") / "builtin" / "templates" / "glue" / "guest.py.txt"
        exec(compile(glue.read_bytes(), GUEST, "exec"), self._made[GUEST].__dict__)  # noqa: S102 our own text
        self.refused: type[Exception] = self._made[GUEST].__dict__["Refused"]
        self._session = session
        self._made[HOST].__dict__["ask"] = self._ask

    def find(self, name: str) -> ModuleType:
        """Give one of the author's modules, made when it is first asked for."""
        found = self._made.get(name)
        if found is None:
            found = self._made[name] = ModuleType(name)
            found.__dict__["__builtins__"] = {**vars(builtins), "__import__": self._import}
            exec(self._code[name], found.__dict__)  # noqa: S102 what this tier is: the operator's own code
        return found

    def _import(self, name: str, *rest: Any, **named: Any) -> Any:
        """Import the author's own files from memory, everything else as ever."""
        if name in self._code or name in self._made:
            return self.find(name)
        return __import__(name, *rest, **named)

    def _ask(self, interface: str, function: str, input: JsonValue = None) -> JsonValue:  # noqa: A002 the ABI's own word
        """Ask the host; its refusal is raised as ``Refused``, and ends the call where the author does not catch it."""
        session = self._session
        try:
            session.enter()
            answer: JsonValue = session.ask(interface, function, {} if input is None else input)
            return answer
        except HostRefused as refused:
            raise self.refused(refused.code, refused.message) from refused
        except BaseException as failure:
            session.fail(failure)
            raise
        finally:
            session.is_answering = False


def _failure(failure: BaseException, guest: NativeGuest) -> BaseException:
    """Give the error for what ended a call inside a question to the host."""
    if isinstance(failure, HostStopped):
        return ModuleFailed(
            f"module {guest.digest} was stopped in a call of the host: {failure.detail or failure.cause}",
            hint="ask the host less in one call",
            code="module-host-call",
        )
    return failure
