"""Where the fuel of a call goes, by function: the same call again under rising limits of fuel, and where each one ends.

A call is a function of its code, its input and the host's answers, so a limit of fuel stops it at one place for ever:
the samples are the same each time and on any machine. An engine looks at the limit where a function begins and where a
loop comes round, and so a sample is exact to the straight run of code before that.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bailiwick.engine.answer import read_answer
from bailiwick.engine.binary import CORE_MAGIC, EXPORT_SECTION, Reader, is_component, read_section
from bailiwick.engine.compile import Compiler
from bailiwick.engine.host import HostLink, TranscriptHost
from bailiwick.engine.sandbox import Engine, Guest
from bailiwick.errors import ModuleFailed, UsageRefused
from bailiwick.model import Budget, Run

SAMPLES_DEFAULT = 200
SAMPLES_MAX = 5_000
"""Most samples of one profile, in number; each runs the call up to its place."""
FRAMES_MAX = 64
"""Most frames of one sample that are kept, the innermost; an engine gives twenty."""
NAME_CHARACTERS_MAX = 100
"""Longest name of a function that is kept, in characters: the guest chose it."""
UNKNOWN = "(elsewhere)"
"""Stands for fuel used where the engine gives no frames: behind the last place where it looks, and in its own glue."""
OUT_OF_FUEL = "module-out-of-fuel"
_FRAME = re.compile(r"^\s*\d+:\s+0x[0-9a-f]+\s+-\s+(?P<module>.+?)!(?P<name>.+?)\s*$", re.MULTILINE)
_NUMBERED = re.compile(r"<wasm function (\d+)>")
_RUST = re.compile(r"_ZN(.+17h[0-9a-f]{16})E(?:\.llvm\.\d+)?")
_RUST_SIGNS = (("_$", "$"), ("$LT$", "<"), ("$GT$", ">"), ("$u20$", "_"), ("$RF$", "&"), ("$C$", ","), ("..", "::"))
_NAMES = re.compile(rb"\x04name(?:\x00|\x01)")
CUSTOM_SECTION, FUNCTION_NAMES = 0, 1
_HOW_DEEP = 12
"""How many causes of an error are looked through for the engine's own."""

Stack = tuple[str, ...]
"""Names of functions, outermost first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionCost:
    """What one function used, in units of fuel: ``self_fuel`` in its own code, ``total_fuel`` with what it called."""

    name: str
    self_fuel: int
    total_fuel: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Where a call's fuel went. ``stacks`` are units of fuel by stack; ``run`` is the whole call; ``samples`` how many.

    The fuel of all stacks together is that of the call.
    """

    run: Run
    samples: int
    stacks: dict[Stack, int]

    @property
    def functions(self) -> list[FunctionCost]:
        """Give what each function used, the dearest of its own first. A function that calls itself counts once."""
        own: Counter[str] = Counter()
        whole: Counter[str] = Counter()
        for stack, fuel in self.stacks.items():
            own[stack[-1]] += fuel
            for name in set(stack):
                whole[name] += fuel
        costs = [FunctionCost(name=name, self_fuel=own[name], total_fuel=fuel) for name, fuel in whole.items()]
        return sorted(costs, key=lambda each: (-each.self_fuel, -each.total_fuel, each.name))

    def folded(self) -> str:
        """Give one line for each stack, ``outer;inner fuel``: what tools that draw flame graphs read."""
        return "".join(f"{';'.join(stack)} {fuel}\n" for stack, fuel in sorted(self.stacks.items()))


def profile_call(
    wasm: bytes,
    function: str,
    input: bytes,  # noqa: A002 the ABI's own word
    budget: Budget,
    *,
    host: HostLink | None = None,
    samples: int = SAMPLES_DEFAULT,
    progress: Callable[[int], None] = lambda _: None,
) -> Profile:
    """Find out where the fuel of one call goes.

    Args:
        wasm: The module, from anybody; it is compiled in a worker, for an engine that says where a call ended.
        function: Which of its functions.
        input: JSON.
        budget: What the call may use; its deadline is that of each sample.
        host: Answers the first run; each sample is given the same answers.
        samples: How many places to look at, 1 to ``SAMPLES_MAX``.
        progress: Called with 1 after each.

    Raises:
        UsageRefused: too many samples (code ``profile-samples``).
        ModuleFailed: the call fails by itself, at its full budget.
        ModuleRefused, Unavailable: as ``Engine.load`` and ``Engine.run``.

    Cost: half a call for each sample, and compiling once.
    """
    if not 1 <= samples <= SAMPLES_MAX:
        raise UsageRefused(f"{samples} samples cannot be taken", hint=f"1 to {SAMPLES_MAX}", code="profile-samples")
    with Engine(marshaller="stock", allocator="on-demand", artefact=Compiler()) as engine:
        guest = engine.load(wasm, memory_bytes_max=budget.memory_bytes)
        run = engine.run(guest, function, input, budget, host=host)
        read_answer(run.output)
        call = _Call(
            engine=engine, guest=guest, function=function, given=input, budget=budget, run=run, names=export_names(wasm)
        )
        stacks: Counter[Stack] = Counter()
        count = 0
        for limit, share in _limits(run.fuel, samples):
            stacks[call.stack_at(limit) or (UNKNOWN,)] += share
            count += 1
            progress(1)
    return Profile(run=run, samples=count, stacks=dict(stacks))


def export_names(wasm: bytes) -> dict[int, str]:
    """Give the names under which a core module exports functions, by index: all there is where names were stripped."""
    names: dict[int, str] = {}
    if is_component(wasm):
        return names
    reader = Reader(wasm, len(CORE_MAGIC))
    while reader.position < reader.end:
        kind, section = read_section(reader)
        if kind == EXPORT_SECTION:
            for _ in range(section.number()):
                name, sort, index = section.name(), section.byte(), section.number()
                if sort == 0:
                    names.setdefault(index, name)
    return names


def has_names(wasm: bytes) -> bool:
    """Say whether a module kept the names of its functions; of a component, whether any core module in it did."""
    if is_component(wasm):
        return _NAMES.search(wasm) is not None
    reader = Reader(wasm, len(CORE_MAGIC))
    while reader.position < reader.end:
        kind, section = read_section(reader)
        if kind == CUSTOM_SECTION and section.name() == "name":
            while section.position < section.end:
                part = section.byte()
                if part == FUNCTION_NAMES:
                    return section.number() > 1 and section.number() > 0
                section.skip(section.number())
    return False


def _limits(fuel: int, samples: int) -> Iterator[tuple[int, int]]:
    """Give limits that are evenly apart, in the middle of what each stands for, and that share of the fuel."""
    samples = min(samples, max(fuel, 1))
    edges = [fuel * number // samples for number in range(samples + 1)]
    for start, end in itertools.pairwise(edges):
        yield (start + end) // 2, end - start


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """A call that can be made again: ``run`` is how it went the first time."""

    engine: Engine
    guest: Guest
    function: str
    given: bytes
    budget: Budget
    run: Run
    names: Mapping[int, str]

    def stack_at(self, fuel: int) -> Stack:
        """Give where the call is when it has used so much fuel."""
        less = replace(self.budget, fuel=max(fuel, 1))
        host = TranscriptHost(self.run.transcript)
        try:
            self.engine.run(self.guest, self.function, self.given, less, host=host)
        except ModuleFailed as failed:
            if failed.code != OUT_OF_FUEL:
                raise
            return frames_of(failed, self.names)
        # Behind the last place where an engine looks, a call ends before anybody notices that it has no fuel.
        return ()


def frames_of(failed: ModuleFailed, names: Mapping[int, str]) -> Stack:
    """Read where a call ended, from what the engine said when it did; outermost first, empty where it said nothing."""
    cause: BaseException | None = failed
    for _ in range(_HOW_DEEP):
        if cause is None:
            break
        if hasattr(cause, "frames"):
            return _core_stack(cause.frames, names)
        if "wasm backtrace" in str(cause):
            return _component_stack(str(cause))
        cause = cause.__cause__ or cause.__context__
    return ()


def _core_stack(frames: Any, names: Mapping[int, str]) -> Stack:
    found = list(frames)[:FRAMES_MAX]
    # What a function used before a call is noticed where the callee begins: it is the caller's.
    if len(found) > 1 and found[0].func_offset == 0:
        found = found[1:]
    return tuple(_shown(each.func_name, each.func_index, names) for each in reversed(found))


def _component_stack(text: str) -> Stack:
    shown = []
    for found in list(_FRAME.finditer(text))[:FRAMES_MAX]:
        numbered = _NUMBERED.fullmatch(found["name"])
        name = f"func[{numbered[1]}]" if numbered else readable(found["name"])
        # A component may hold several core modules, and each counts its functions from 0.
        shown.append(_shown(name if found["module"] == "<unknown>" else f"{found['module']}!{name}", 0, {}))
    return tuple(reversed(shown))


def readable(name: str) -> str:
    """Give the path of a function of Rust whose name holds it, and any other name as it is.

    >>> readable("_ZN6module5after17hfca04bcd4d1d3268E")
    'module::after'
    """
    found = _RUST.fullmatch(name)
    rest, parts = found[1] if found else "", []
    while rest:
        size = re.match(r"\d{1,4}", rest)
        if size is None or int(size[0]) > len(rest) - size.end():
            return name
        end = size.end() + int(size[0])
        parts.append(rest[size.end() : end])
        rest = rest[end:]
    text = "::".join(parts[:-1]) or name
    for coded, plain in _RUST_SIGNS:
        text = text.replace(coded, plain)
    return text


def _shown(name: str | None, index: int, names: Mapping[int, str]) -> str:
    """Give a function a name that fits a line of folded stacks."""
    chosen = readable(name) if name else names.get(index) or f"func[{index}]"
    return re.sub(r"[;\s\x00-\x1f\x7f-\x9f]", "_", chosen)[:NAME_CHARACTERS_MAX]
