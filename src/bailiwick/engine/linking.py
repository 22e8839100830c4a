"""The way from a guest into the host: C callbacks that read arguments, ask the session of the run, and write answers.

No exception may leave a callback, not even an interrupt: the package would lose it or mix it up between threads. What
goes wrong is kept in the session of its own run, and the guest is ended by an error of the engine.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from bailiwick.engine.answer import ANSWER_DEPTH_MAX, is_deep
from bailiwick.engine.calling import MASK_32, Trapped
from bailiwick.engine.host import HOST_CALL_BYTES_MAX, HostRefused, HostSession, Stopped
from bailiwick.engine.lifting import Lifting
from bailiwick.engine.values import (
    EnumOf,
    OptionOf,
    Primitive,
    RecordOf,
    ResultOf,
    Signature,
    ValueMismatch,
    VariantOf,
    WitType,
    check_value,
)
from bailiwick.errors import Unavailable

if TYPE_CHECKING:
    from bailiwick.engine.package import Structures

POINTER, SIZE = ctypes.c_void_p, ctypes.c_size_t
COMPONENT_CALLBACK = ctypes.CFUNCTYPE(SIZE, POINTER, POINTER, POINTER, POINTER, SIZE, POINTER, SIZE)
CORE_CALLBACK = ctypes.CFUNCTYPE(SIZE, POINTER, POINTER, POINTER, SIZE)
STOP_TEXT = b"stopped by the host"
DEEP_BYTES_MIN = 2 * (ANSWER_DEPTH_MAX + 1)
"""Fewer bytes cannot be too deep: each level is opened and closed."""
NOT_A_CALL = "host-call"
"""Code of the answer to a core guest whose question is none."""


class _Question(msgspec.Struct, forbid_unknown_fields=True):
    interface: str
    function: str
    input: Any = None


_decode_question = msgspec.json.Decoder(_Question).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode
NO_QUESTION = _encode(
    {
        "error": {
            "code": NOT_A_CALL,
            "message": f"a question is a JSON object of interface, function and input, {ANSWER_DEPTH_MAX} levels deep",
        }
    }
)
"""The same words whatever is wrong: a parser's own differ between its versions, and its depth between threads."""


class CorePlaces:
    """Where one run of a core guest has its memory and its ``alloc``, and room of ours to call that with.

    Found at its first question, and good for as long as its store is: an export's place does not change. Memory only
    grows, so what is known of its size stays inside it, and it never moves (see ``package.configure``). ``view`` is all
    that is known of it.
    """

    __slots__ = (
        "_held", "alloc_at", "context", "memory_at", "memory_bytes", "room", "room_at", "trap", "trap_at",
        "view",
    )  # fmt: skip

    def __init__(self, context: int, memory: Any, alloc: Any, offset: int) -> None:
        self._held = memory, alloc
        self.context = context
        self.memory_at = ctypes.addressof(memory) + offset
        self.alloc_at = ctypes.addressof(alloc) + offset
        self.memory_bytes = 0
        self.view = memoryview(b"")
        self.room = (ctypes.c_uint64 * 4)()
        self.room_at = ctypes.addressof(self.room)
        self.trap = POINTER()
        self.trap_at = ctypes.addressof(self.trap)


class HostDoor:
    """Makes callbacks, and leads each to the session of the run that called. Threads may share it."""

    def __init__(self, structures: Structures, lifting: Lifting) -> None:
        self._structures = structures
        self._lifting = lifting
        self._value_bytes = ctypes.sizeof(structures.value)
        self._extern_offset = structures.extern.of.offset
        self.sessions: dict[int, HostSession] = {}
        self._changing = threading.Lock()
        dll = structures.dll

        def quick(name: str, result: Any, *arguments: Any) -> Any:
            return ctypes.PYFUNCTYPE(result, *arguments)((name, dll))

        self._error_new = quick("wasmtime_error_new", SIZE, ctypes.c_char_p)
        self._trap_new = quick("wasmtime_trap_new", SIZE, ctypes.c_char_p, SIZE)
        self._caller_context = quick("wasmtime_caller_context", POINTER, POINTER)
        self._caller_export = quick(
            "wasmtime_caller_export_get", ctypes.c_bool, POINTER, ctypes.c_char_p, SIZE, POINTER
        )
        self._memory_data = quick("wasmtime_memory_data", POINTER, POINTER, POINTER)
        self._memory_size = quick("wasmtime_memory_data_size", SIZE, POINTER, POINTER)
        self._trap_code = quick("wasmtime_trap_code", ctypes.c_bool, POINTER, POINTER)
        self._trap_delete = quick("wasm_trap_delete", None, POINTER)
        self._error_delete = quick("wasmtime_error_delete", None, POINTER)
        self._func_call = ctypes.CFUNCTYPE(POINTER, POINTER, POINTER, POINTER, SIZE, POINTER)(
            ("wasmtime_func_call_unchecked", dll)
        )

    def attach(self, context: int, session: HostSession) -> None:
        """Lead the host calls of a store to a session."""
        with self._changing:
            self.sessions[context] = session

    def detach(self, context: int, session: HostSession) -> None:
        """Forget a session, unless a new store of another thread has its old address and leads elsewhere by now."""
        with self._changing:
            if self.sessions.get(context) is session:
                del self.sessions[context]

    def component_callback(self, interface: str, function: str, signature: Signature) -> Any:
        """Make the callback of one function that components import."""
        parameters = [
            (index, name, self._lifting.reader(kind)) for index, (name, kind) in enumerate(signature.parameters)
        ]
        answer = self._answerer(interface, function, signature.result)
        value, value_bytes, sessions = self._structures.value, self._value_bytes, self.sessions

        def callback(_: Any, context: int, _type: Any, values: int, _count: int, results: int, _results: int) -> int:
            session = sessions.get(context)
            if session is None:
                return int(self._error_new(STOP_TEXT))
            try:
                session.enter()
                question = {
                    name: read(value.from_address(values + index * value_bytes)) for index, name, read in parameters
                }
                answer(session, question, results)
                session.is_answering = False
            except BaseException as error:  # None may leave a callback: it is raised after the call.
                return self._stop(session, error)
            return 0

        return COMPONENT_CALLBACK(callback)

    def core_callback(self, cause_of: Callable[[int], str]) -> Any:
        """Make the callback of the one function that core modules import."""
        context_of, sessions, raw_values = self._caller_context, self.sessions, ctypes.c_uint64 * 4

        def callback(_: Any, caller: int, raw: int, _count: int) -> int:
            context = context_of(caller)
            session = sessions.get(context)
            if session is None:
                return int(self._trap_new(STOP_TEXT, len(STOP_TEXT)))
            try:
                session.enter()
                places = session.places
                if places is None:
                    places = session.places = self._core_places(context, caller)
                values = raw_values.from_address(raw)
                asked = values[0] & MASK_32, values[2] & MASK_32
                values[0] = self._core_answer(session, places, asked, cause_of)
                session.is_answering = False
            except BaseException as error:
                session.fail(error)
                return int(self._trap_new(STOP_TEXT, len(STOP_TEXT)))
            return 0

        return CORE_CALLBACK(callback)

    def _stop(self, session: HostSession, error: BaseException) -> int:
        session.fail(error)
        return int(self._error_new(STOP_TEXT))

    def _answerer(
        self, interface: str, function: str, kind: WitType | None
    ) -> Callable[[HostSession, dict[str, Any], int], None]:
        """Build what turns the link's answer, or its refusal, into the result of a function."""
        write = self._lifting.writer(kind) if kind else None
        value, where, is_result = self._structures.value, f"{interface}#{function}", isinstance(kind, ResultOf)

        def answer(session: HostSession, question: dict[str, Any], results: int) -> None:
            try:
                output = session.ask(interface, function, question)
                json = {"ok": output} if is_result else output
            except HostRefused as refused:
                json = refusal_of(kind, where, refused)
            if kind is None or write is None:
                if json is not None:
                    raise _bad_answer(where, "gives nothing, and the host gave a value")
                return
            try:
                check_value(kind, json)
            except ValueMismatch as mismatch:
                raise _bad_answer(where, str(mismatch)) from mismatch
            write(json, value.from_address(results))

        return answer

    def _core_answer(
        self, session: HostSession, places: CorePlaces, asked: tuple[int, int], cause_of: Callable[[int], str]
    ) -> int:
        context, (place, size) = places.context, asked
        if size > HOST_CALL_BYTES_MAX or (
            place + size > places.memory_bytes and not self._reaches(places, place + size)
        ):
            raise Stopped(
                "host_bounds", f"it asked the host with {size} bytes at {place}, which is too much or outside"
            )
        question = places.view[place : place + size].tobytes()
        output = _answer_core(session, question)
        room, length = places.room, len(output)
        room[0] = length
        error = self._func_call(context, places.alloc_at, places.room_at, 1, places.trap_at)
        if error:
            # It holds on to the code that it happened in, and so to a file of the process.
            self._error_delete(error)
        if error or places.trap.value:
            raise Trapped(self._cause(places.trap.value, cause_of), self._memory_size(context, places.memory_at))
        start = room[0] & MASK_32
        if start == 0 or (start + length > places.memory_bytes and not self._reaches(places, start + length)):
            raise Stopped("host_room", f"it has no room for an answer of {length} bytes, or gives {start} for it")
        places.view[start : start + length] = output
        return start << 32 | length

    def _reaches(self, places: CorePlaces, end: int) -> bool:
        """Look at the memory again, which may have grown, and say whether it reaches up to ``end``."""
        size: int = self._memory_size(places.context, places.memory_at)
        places.memory_bytes = size
        base = self._memory_data(places.context, places.memory_at) or 0
        places.view = memoryview((ctypes.c_ubyte * size).from_address(base)).cast("B")
        return end <= size

    def _core_places(self, context: int, caller: int) -> CorePlaces:
        memory, alloc = self._core_export(caller, b"memory"), self._core_export(caller, b"alloc")
        return CorePlaces(context, memory, alloc, self._extern_offset)

    def _core_export(self, caller: int, name: bytes) -> Any:
        extern = self._structures.extern()
        is_there = self._caller_export(caller, name, len(name), ctypes.addressof(extern))
        assert is_there, "exports were checked when the module was loaded"
        return extern

    def _cause(self, trap: int | None, cause_of: Callable[[int], str]) -> str:
        if not trap:
            return "unknown"
        code = ctypes.c_uint8()
        has_code = self._trap_code(trap, ctypes.addressof(code))
        self._trap_delete(trap)
        return cause_of(code.value) if has_code else "unknown"


def refusal_of(kind: WitType | None, where: str, refused: HostRefused) -> Any:
    """Write a refusal as the error of a function's result.

    Raises:
        Stopped: the function has no result with an error that can say it.
    """
    error = kind.error if isinstance(kind, ResultOf) else None
    if isinstance(kind, ResultOf):
        said = _said(error, refused)
        if said is not _UNSAID:
            return {"error": said}
    raise Stopped("host_refused", f"{where} was refused ({refused.code}), and it has no way to say so")


_UNSAID = object()


def _said(error: WitType | None, refused: HostRefused) -> Any:
    if error is None:
        return None
    if error == Primitive("string"):
        return _encode({"code": refused.code, "message": refused.message}).decode()
    if isinstance(error, RecordOf):
        words = {"code": refused.code, "message": refused.message}
        rest = [name for name, kind in error.fields if name not in words and not isinstance(kind, OptionOf)]
        texts = {name for name, kind in error.fields if kind == Primitive("string")}
        return {name: word for name, word in words.items() if name in texts} if not rest else _UNSAID
    if isinstance(error, EnumOf) and refused.code in error.names:
        return refused.code
    if isinstance(error, VariantOf) and dict(error.cases).get(refused.code, _UNSAID) is None:
        return {"case": refused.code}
    return _UNSAID


def _answer_core(session: HostSession, question: bytes) -> bytes:
    try:
        asked = _decode_question(question)
    except (ValueError, RecursionError):
        return NO_QUESTION
    if len(question) >= DEEP_BYTES_MIN and is_deep(asked.input, question):
        return NO_QUESTION
    try:
        session.ask(asked.interface, asked.function, asked.input)
        return b"".join((b'{"ok":', session.said, b"}"))
    except HostRefused as refused:
        return _encode({"error": {"code": refused.code, "message": refused.message}})


def _bad_answer(where: str, what: str) -> Unavailable:
    return Unavailable(
        f"the host answered {where} with what it may not answer: {what}",
        hint="report it: the host's service and its WIT differ",
        code="host-answer",
    )
