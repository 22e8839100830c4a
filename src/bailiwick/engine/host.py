"""What a guest may ask while it runs: the seam to whoever answers, the transcript of it, and its limits.

Pure: nothing here knows an engine, a tenant or a service. A session belongs to one run and dies with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from decimal import Decimal
from typing import Any, Protocol

import msgspec

from bailiwick.errors import Unavailable
from bailiwick.model import Budget, HostCall, JsonValue

HOST_CALLS_MAX = 10_000
"""Most calls of the host in one run."""
HOST_CALL_BYTES_MAX = 4 << 20
"""Largest input, and largest output, of one call of the host, in bytes of JSON."""
TRANSCRIPT_BYTES_MAX = 16 << 20
"""Most bytes of JSON that all calls of the host in one run may pass, both ways together."""

_encode = msgspec.json.Encoder(order="sorted", decimal_format="number").encode
_encode_any = msgspec.json.Encoder(decimal_format="number").encode
_decode_exactly = msgspec.json.Decoder(float_hook=Decimal).decode

_Kept = tuple[str, str, Any, Any, "dict[str, JsonValue] | None", int]
"""One call as a session keeps it: the fields of ``HostCall`` in their order."""

# A run may ask ten thousand times, and a frozen dataclass takes three times as long to fill by its own constructor.
_new = object.__new__
_set_fuel, _set_memory, _set_deadline = (getattr(Budget, each.name).__set__ for each in fields(Budget))
_fill_interface, _fill_function, _fill_input, _fill_output, _fill_error, _fill_fuel = (
    getattr(HostCall, each.name).__set__ for each in fields(HostCall)
)


class HostRefused(Exception):
    """An answer to a guest that says no: ``code`` is a stable word, ``message`` a sentence for people.

    Raised by whoever answers host calls. The guest reads it as the error of its call, and goes on.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class HostLink(Protocol):
    """Answers the host calls of one run."""

    def call(
        self,
        interface: str,
        function: str,
        input: JsonValue,  # noqa: A002 the ABI's own word
        *,
        left: Budget,
        charge: Callable[[int], None],
    ) -> JsonValue:
        """Answer one call.

        Args:
            interface: As the module imports it, such as ``bailiwick:clock/clock@0.1.0``.
            function: One of its functions.
            input: The arguments, an object by parameter name.
            left: What is left of the run's budget; the answer must come within ``left.deadline_ms`` milliseconds.
            charge: Takes fuel from the guest's budget; ends the run where there is not enough.

        Raises:
            HostRefused: an answer to the guest.
            Exception: anything else is a failure of the host: the run is ``Unavailable`` and the guest learns nothing.
        """
        ...


class Stopped(Exception):
    """A run that ends inside a host call, by the guest's doing: ``cause`` in one word, ``detail`` for people."""

    def __init__(self, cause: str, detail: str = "") -> None:
        super().__init__(cause)
        self.cause = cause
        self.detail = detail


class NobodyAnswers:
    """The link of a run that grants nothing: each call is refused."""

    def call(
        self,
        interface: str,
        function: str,
        input: JsonValue,  # noqa: A002, ARG002 the shape of every link
        *,
        left: Budget,  # noqa: ARG002
        charge: Callable[[int], None],  # noqa: ARG002
    ) -> JsonValue:
        """Refuse the call."""
        raise HostRefused("denied", f"{interface}#{function} is not granted")


class HostSession:
    """The host calls of one run: asks the link, keeps the transcript, counts against the limits, takes fuel.

    Args:
        link: Who answers.
        budget: Of the run.
        fuel_left: Reads the fuel that the guest has left.
        set_fuel: Sets it.
        time_left: Gives the milliseconds that are left of the deadline, 0 when it has passed.

    ``said`` is the JSON of the last answer that was not an error; ``places`` is for the door that the questions come
    through, which keeps there what it found of this run.
    """

    __slots__ = (
        "_bytes", "_calls", "_charged", "_fuel_left", "_link", "_memory", "_set_fuel", "_time_left",
        "failure", "is_answering", "places", "said",
    )  # fmt: skip

    def __init__(
        self,
        link: HostLink,
        budget: Budget,
        *,
        fuel_left: Callable[[], int],
        set_fuel: Callable[[int], None],
        time_left: Callable[[], int],
    ) -> None:
        self._link = link
        self._memory = budget.memory_bytes
        self._fuel_left = fuel_left
        self._set_fuel = set_fuel
        self._time_left = time_left
        self._calls: list[_Kept] = []
        self._bytes = 0
        self._charged = 0
        self.is_answering = False
        self.failure: BaseException | None = None
        self.places: Any = None
        self.said = b""

    @property
    def transcript(self) -> tuple[HostCall, ...]:
        """Every call that was answered, in order; one that ran out of fuel has the error ``out-of-fuel``."""
        return tuple(map(_host_call, self._calls))

    def enter(self) -> None:
        """Start one call; the guest may not come back in before it is answered and ``is_answering`` is taken back.

        Raises:
            Stopped: the guest called the host from within a host call.
        """
        if self.is_answering:
            raise Stopped("host_reentry", "it called the host while a call of the host was being answered")
        self.is_answering = True

    def fail(self, error: BaseException) -> None:
        """Keep what ends the run; the first of several is the cause of the others."""
        if self.failure is None:
            self.failure = error

    def ask(self, interface: str, function: str, question: Any) -> Any:
        """Answer one call and keep it.

        Raises:
            HostRefused: the answer is no.
            Stopped: a limit, the fuel or the deadline has been passed.
        """
        size = len(_encode_any(question))
        self._bytes += size
        if len(self._calls) >= HOST_CALLS_MAX or size > HOST_CALL_BYTES_MAX or self._bytes > TRANSCRIPT_BYTES_MAX:
            raise self._over_limit(f"{interface}#{function}")
        time_left = self._time_left()
        if time_left <= 0:
            raise Stopped("interrupt")
        left = _new(Budget)
        _set_fuel(left, self._fuel_left())
        _set_memory(left, self._memory)
        _set_deadline(left, time_left)
        self._charged = 0
        try:
            output = self._link.call(interface, function, question, left=left, charge=self.charge)
            said = _encode_any(output)
            size = len(said)
            if size > HOST_CALL_BYTES_MAX:
                raise HostRefused("too-large", f"the answer has {size} bytes, more than {HOST_CALL_BYTES_MAX}")
        except HostRefused as refused:
            error: dict[str, JsonValue] = {"code": refused.code, "message": refused.message}
            self._calls.append((interface, function, question, None, error, self._charged))
            self._bytes += len(refused.message)
            raise
        except Stopped as stopped:
            error = {"code": stopped.cause.replace("_", "-"), "message": stopped.detail}
            self._calls.append((interface, function, question, None, error, self._charged))
            raise
        self._bytes += size
        self._calls.append((interface, function, question, output, None, self._charged))
        self.said = said
        return output

    def charge(self, fuel: int) -> None:
        """Take fuel from the guest's budget.

        Raises:
            Stopped: there is not enough; nothing is left then.
        """
        if not self.is_answering or fuel < 0:
            raise ValueError("fuel is taken during a host call, and never given back")
        left = self._fuel_left()
        self._charged += fuel
        self._set_fuel(max(left - fuel, 0))
        if fuel > left:
            raise Stopped("out_of_fuel")

    def _over_limit(self, where: str) -> Stopped:
        return Stopped(
            "host_limit",
            f"it called the host {len(self._calls)} times and passed {self._bytes} bytes, at {where}; allowed are "
            f"{HOST_CALLS_MAX} calls, {HOST_CALL_BYTES_MAX} bytes in one and {TRANSCRIPT_BYTES_MAX} in all",
        )


def _host_call(kept: _Kept) -> HostCall:
    call: HostCall = _new(HostCall)
    interface, function, question, output, error, fuel = kept
    _fill_interface(call, interface)
    _fill_function(call, function)
    _fill_input(call, question)
    _fill_output(call, output)
    _fill_error(call, error)
    _fill_fuel(call, fuel)
    return call


class TranscriptHost:
    """Answers a run with what an earlier one was answered, and refuses a call that differs from it."""

    def __init__(self, transcript: Sequence[HostCall]) -> None:
        self._calls = tuple(transcript)
        self._next = 0

    def call(
        self,
        interface: str,
        function: str,
        input: JsonValue,  # noqa: A002 the ABI's own word
        *,
        left: Budget,  # noqa: ARG002 what is left was decided by the first run
        charge: Callable[[int], None],
    ) -> JsonValue:
        """Give the answer of the same place in the transcript, and take the same fuel.

        Raises:
            Unavailable: the transcript has another call here, or none (code ``transcript-differs``).
            HostRefused: what the call was answered.
        """
        if self._next >= len(self._calls):
            raise _differs(self._next, f"ends, and the module calls {interface}#{function}")
        kept = self._calls[self._next]
        if (kept.interface, kept.function) != (interface, function) or _same(kept.input) != _same(input):
            raise _differs(self._next, f"has {kept.interface}#{kept.function}, and the module calls {function}")
        self._next += 1
        if kept.fuel:
            charge(kept.fuel)
        if kept.error is not None:
            raise HostRefused(str(kept.error["code"]), str(kept.error["message"]))
        return kept.output

    def check_finished(self) -> None:
        """Check that the run made every call that the transcript has.

        Raises:
            Unavailable: it stopped early (code ``transcript-differs``).
        """
        if self._next < len(self._calls):
            raise _differs(self._next, f"has {len(self._calls) - self._next} calls that the module did not make")


def _same(value: JsonValue) -> bytes:
    """Give the one form of a value: a transcript that was kept has its members sorted, and fractions as decimals."""
    return _encode(_decode_exactly(_encode(value)))


def _differs(index: int, what: str) -> Unavailable:
    return Unavailable(
        f"the transcript {what} (call {index}, counted from 0)",
        hint="run the module that the transcript was made with, with the same input and budget",
        code="transcript-differs",
    )
