"""What does a call of a module cost, against Extism's Python SDK with an equal guest, in one run?

Batches of both take turns, and medians are compared, so that what else the machine does falls on both. Extism comes
with the extra ``bench``; without it, or without a compiler, the rows that need it say why they are missing.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from bailiwick.canonical import digest
from bailiwick.engine import CodeCache, Compiler, Engine, Guest
from bailiwick.keys import Signer, new_secret
from bailiwick.ledger import Ledger
from bailiwick.model import Actor, Budget
from bailiwick.node import Node
from bailiwick.settings import Settings
from bailiwick.supervisor import Supervisor
from bailiwick.testing import MemoryBlobStore, MemoryClock, MemoryEntropy, MemoryLedgerStore
from bailiwick.trust import sign_manifest
from benchmarks.guests import build
from benchmarks.table import Row, judged

BATCHES = 9
TENANT = "bench"
ACTOR = Actor(id="local:0123456789abcdef", role="operator")
AUTHOR = Signer("modules/bench", new_secret(b"a" * 32))
BUDGET = Budget(fuel=10_000_000_000, memory_bytes=64 << 20, deadline_ms=60_000)
MESSAGE = json.dumps({"text": "the quick brown fox jumps over the lazy dog " * 2 + "and over it again"}).encode()
LARGE = json.dumps({"text": "the quick brown fox " * 52_428}).encode()
MESSAGE_BYTES_MAX = 2 << 20
"""Room that a kept sandbox gives its messages, asked for once, in bytes."""
HOST_CALLS = 1_000
CALLS_FOR_GROWTH = 100_000
ROUNDS_OF_WORK = 3_000_000
CALLS_AT_ONCE = 20
INVOKE = "bailiwick:invoke/invoke@0.1.0"
ANYTHING = {"count": {"title": "Count", "input": True, "output": True}}
MISSING = "not measured"


def measure(folder: Path, python_guest: Path | None = None) -> list[Row]:
    """Build the guests and measure everything; ``python_guest`` saves building that one."""
    if importlib.util.find_spec("ziglang") is None:
        return [Row("calls of modules", MISSING, "no compiler: python -m pip install 'bailiwick[modules]'")]
    with Engine(artefact=CodeCache(folder / "code", bytes(32), make=Compiler())) as engine:
        core, component = (engine.load(build(folder, form)) for form in ("core", "component"))
        rows = [*_calls(engine, core, component, folder), *_large(engine, core, component, folder)]
        rows += _callbacks(engine, folder)
        rows += _recorded(engine, core, folder)
        rows += _python(engine, folder, python_guest)
        rows += _memory(engine, core, component, folder)
    return [*rows, *_at_once(folder)]


def medians(number: int, calls: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Give the median time of each call, in microseconds; batches of ``number`` take turns."""
    spent: dict[str, list[float]] = {name: [] for name in calls}
    for batch in range(BATCHES + 1):
        for name, call in calls.items():
            begun = time.perf_counter()
            for _ in range(number):
                call()
            if batch:
                spent[name].append((time.perf_counter() - begun) / number * 1e6)
    return {name: statistics.median(times) for name, times in spent.items()}


def at_most(value: float, goal: float, unit: str = "") -> str:
    """Say what was asked for at most, and whether it was kept."""
    return f"under {goal:g}{unit}: {'met' if value < goal else 'not met'}"


class KeptCore:
    """One sandbox of a core guest, called again and again: what the engine and its marshalling cost by themselves.

    The engine offers no such thing: each of its calls has a sandbox of its own.
    """

    def __init__(self, engine: Any, guest: Guest) -> None:
        from bailiwick.engine.marshal import _Scratch

        caller = self._caller = engine._caller
        self._scratch = _Scratch(caller._library)
        self._store = caller._store_new(caller._library.engine_address, None, None)
        self._context = caller._store_context(self._store)
        caller._set_fuel(self._context, BUDGET.fuel)
        caller._set_deadline(self._context, 1 << 40)
        at = self._scratch
        caller._check(caller._instantiate(guest.code.address, self._context, at.instance_at, at.trap_at))
        for name, address in zip((b"memory", b"alloc", b"run"), at.externs_at, strict=True):
            caller._export_get(self._context, at.instance_at, name, len(name), address)

        at.values[0] = MESSAGE_BYTES_MAX
        caller._guest(at, self._context, at.alloc_at, 1)
        self._place = at.values[0] & 0xFFFF_FFFF
        # Memory never moves, so the engine asks once for each sandbox where it is.
        self._base = caller._memory_data(self._context, at.memory_at)

    def call(self, message: bytes) -> bytes:
        """Put a message in its place, run, and take the answer."""
        at, base, place = self._scratch, self._base, self._place
        ctypes.memmove(base + place, message, len(message))
        at.values[0], at.values[2] = place, len(message)
        self._caller._guest(at, self._context, at.run_at, 2)
        answer = at.values[0]
        return ctypes.string_at(base + (answer >> 32), answer & 0xFFFF_FFFF)

    def close(self) -> None:
        """Remove the sandbox."""
        self._caller._store_delete(self._store)


@contextmanager
def kept_component(engine: Any, guest: Guest) -> Iterator[Callable[[bytes, bytes], tuple[bool, bytes]]]:
    """Give a function that calls one sandbox of a component by text, again and again."""
    sandbox = engine._sandboxes.open(guest.code, BUDGET, 1 << 40, lambda _: None)
    caller, exported = engine._component_calls(), guest.code.exports["call"]
    try:
        yield lambda function, text: caller.call_text(sandbox, exported, (function, text))
    finally:
        engine._sandboxes.close(sandbox)


def _extism(folder: Path, **how: Any) -> Any | None:
    """Compile the equal plugin, or give None where Extism is not installed."""
    if importlib.util.find_spec("extism") is None:
        return None
    from extism.extism import CompiledPlugin

    return CompiledPlugin(build(folder, "extism", **how), functions=_host_functions(how.get("calls", 0)))


def _host_functions(calls: int) -> list[Any]:
    import extism

    if not calls:
        return []

    @extism.host_fn(name="same", namespace="extism:host/user", signature=([extism.ValType.I64], [extism.ValType.I64]))
    def same(plugin: Any, inputs: Any, outputs: Any) -> None:
        json.loads(plugin.input_bytes(inputs[0]))
        plugin.return_bytes(outputs[0], b'{"ok":1}')

    return [same]


def _no_extism() -> Row:
    return Row("against Extism", MISSING, "python -m pip install 'bailiwick[bench]'")


def _calls(engine: Engine, core: Guest, component: Guest, folder: Path) -> list[Row]:
    compiled = _extism(folder)
    if compiled is None:
        return [_no_extism()]
    import extism

    plugin, kept = extism.Plugin(compiled), KeptCore(engine, core)
    with kept_component(engine, component) as call_text:
        found = medians(
            500,
            {
                "extism": lambda: plugin.call("count", MESSAGE),
                "core": lambda: kept.call(MESSAGE),
                "component": lambda: call_text(b"count", MESSAGE),
                "core new": lambda: engine.run(core, "count", MESSAGE, BUDGET),
                "component new": lambda: engine.run(component, "count", MESSAGE, BUDGET),
                "extism new": lambda: extism.Plugin(compiled).call("count", MESSAGE),
            },
        )
    kept.close()
    warm, new = found["extism"], found["extism new"]

    def row(what: str, name: str, against: float, text: str, goal: float | None = None) -> Row:
        ratio = against / found[name]
        return Row(what, f"{found[name]:.1f} us", f"{ratio:.1f} x {text}", judged(ratio, goal) if goal else "")

    kept_text, new_text = "as fast as its kept plugin", "as fast as its new plugin"
    return [
        Row("warm call, small guest: Extism's kept plugin", f"{warm:.1f} us", "115 bytes of JSON"),
        row("  core, a kept sandbox: the engine and its marshalling alone", "core", warm, kept_text, 8),
        row("  component, text, a kept sandbox: the same", "component", warm, kept_text, 4),
        row("  core, as it is called: a new sandbox each time", "core new", warm, kept_text),
        row("  component, as it is called", "component new", warm, kept_text),
        Row("new sandbox and call: Extism, compiled before", f"{new:.1f} us", "115 bytes of JSON"),
        row("  core", "core new", new, new_text, 3),
        row("  component, text", "component new", new, new_text, 3),
    ]


def _large(engine: Engine, core: Guest, component: Guest, folder: Path) -> list[Row]:
    compiled = _extism(folder)
    if compiled is None:
        return []
    import extism

    plugin, kept = extism.Plugin(compiled), KeptCore(engine, core)
    with kept_component(engine, component) as call_text:
        found = medians(
            7,
            {
                "extism": lambda: plugin.call("count", LARGE),
                "core, a kept sandbox": lambda: kept.call(LARGE),
                "component, a kept sandbox": lambda: call_text(b"count", LARGE),
                "core, as it is called": lambda: engine.run(core, "count", LARGE, BUDGET),
                "component, as it is called": lambda: engine.run(component, "count", LARGE, BUDGET),
            },
        )
    kept.close()
    theirs = found.pop("extism")
    return [
        Row("1 MB of JSON: Extism's kept plugin", f"{theirs / 1e3:.2f} ms", "a guest that reads every byte"),
        *(
            Row(f"  {name}", f"{each / 1e3:.2f} ms", f"{theirs / each:.2f} x as fast", judged(theirs / each, 1))
            for name, each in found.items()
        ),
    ]


class SameAnswer:
    """A host that answers every call alike: what is measured is the way to it and back."""

    def call(self, interface: str, function: str, input: Any, *, left: Budget, charge: Any) -> Any:  # noqa: A002, ARG002 the port's own words
        """Answer."""
        return 1


def _callbacks(engine: Engine, folder: Path) -> list[Row]:
    asking = engine.load(build(folder, calls=HOST_CALLS))
    quiet = engine.load(build(folder))
    host = SameAnswer()
    calls: dict[str, Callable[[], object]] = {
        "asking": lambda: engine.run(asking, "count", MESSAGE, BUDGET, host=host),
        "quiet": lambda: engine.run(quiet, "count", MESSAGE, BUDGET),
        "native": lambda: [host.call("a", "b", {}, left=BUDGET, charge=None) for _ in range(HOST_CALLS)],
    }
    compiled = _extism(folder, calls=HOST_CALLS)
    if compiled is not None:
        import extism

        plugin, silent = extism.Plugin(compiled), extism.Plugin(_extism(folder))
        calls["extism"] = lambda: plugin.call("count", MESSAGE)
        calls["extism quiet"] = lambda: silent.call("count", MESSAGE)
    found = medians(3, calls)
    each = (found["asking"] - found["quiet"] - found["native"]) / HOST_CALLS
    rows = [
        Row("host callback, over a native call", f"{each:.1f} us", "JSON, in the transcript", at_most(each, 5, " us"))
    ]
    if compiled is not None:
        theirs = (found["extism"] - found["extism quiet"] - found["native"]) / HOST_CALLS
        rows.append(Row("  Extism's, JSON read, nothing kept", f"{theirs:.1f} us", f"{theirs / each:.1f} x as long"))
    return rows


def _manifest(name: str, wasm: bytes, capabilities: list[dict[str, Any]]) -> dict[str, bytes]:
    stated: dict[str, Any] = {
        "format": "bailiwick-module/1",
        "name": name,
        "version": "1.0.0",
        "title": "Counts",
        "licence": "Apache-2.0",
        "file": f"{name}.wasm",
        "digest": digest(wasm),
        "abi": "core-json/1",
        "tier": "standard",
        "capabilities": capabilities,
        "functions": ANYTHING,
    }
    text = json.dumps(stated).encode()
    return {"module.json": text, f"{name}.wasm": wasm, "module.sig": sign_manifest(stated, AUTHOR)}


def _install(supervisor: Supervisor, folder: Path) -> None:
    registry = supervisor.registry(TENANT)
    registry.trust(AUTHOR.verifier.text(), ACTOR)
    registry.install(_manifest("callee", build(folder), []), ACTOR)
    asked = {"module": "callee", "function": "count", "input": MESSAGE.decode()}
    question = json.dumps({"interface": INVOKE, "function": "invoke", "input": asked})
    scope = {"functions": ["callee.count"]}
    wanted = {"interface": INVOKE, "functions": ["invoke"], "scope": scope, "reason": "measured"}
    registry.install(_manifest("caller", build(folder, calls=1, question=question), [wanted]), ACTOR)
    registry.grant("caller", INVOKE, ACTOR)


def _in_memory(engine: Engine) -> tuple[Supervisor, Ledger]:
    from bailiwick.adapters.cursorstore_memory import MemoryCursorStore

    clock = MemoryClock()
    signer = Signer("bailiwick/bench", new_secret(b"b" * 32))
    ledger = Ledger.create(
        TENANT, MemoryLedgerStore(), signer, clock=clock, origin="bailiwick/bench", node_id="n-1", actor=ACTOR,
        checkpoint_ms=None,
    )  # fmt: skip
    supervisor = Supervisor(
        engine,
        open_ledger=lambda _: ledger,
        blobs=MemoryBlobStore(),
        cursors=MemoryCursorStore(),
        clock=clock,
        entropy=MemoryEntropy(),
        secret_of=lambda _: b"s" * 32,
    )
    return supervisor, ledger


def _recorded(engine: Engine, core: Guest, folder: Path) -> list[Row]:
    supervisor, ledger = _in_memory(engine)
    _install(supervisor, folder)
    home = folder / "home"
    Node.init(home, TENANT)
    with Node.open(Settings.resolve(home=home, tenant=TENANT, environ={})) as node:
        durable = node.supervisor
        _install(durable, folder)
        calls: dict[str, Callable[[], object]] = {
            "alone": lambda: engine.run(core, "count", MESSAGE, BUDGET),
            "plain": lambda: supervisor.call(TENANT, "callee", "count", MESSAGE, ACTOR),
            "invoke": lambda: supervisor.call(TENANT, "caller", "count", MESSAGE, ACTOR),
            "durable": lambda: durable.call(TENANT, "callee", "count", MESSAGE, ACTOR),
        }
        plugin = None
        if (compiled := _extism(folder)) is not None:
            import extism

            plugin = extism.Plugin(compiled)
            calls["extism"] = lambda: plugin.call("count", MESSAGE)
        found = medians(30, calls)
    ledger.close()
    against = f"{found['plain'] / found['extism']:.1f} x Extism's, which keeps no record" if plugin else ""
    ratio = found["invoke"] / found["plain"]
    return [
        Row("call with its record, not durable", f"{found['plain']:,.0f} us", against),
        Row("call with its record, durable", f"{found['durable']:,.0f} us", f"{found['alone']:.0f} us of it the call"),
        Row("a call that invokes another module", f"{found['invoke']:,.0f} us", f"{ratio:.2f} x a plain call",
            at_most(ratio, 2, " x")),
    ]  # fmt: skip


def _python(engine: Engine, folder: Path, given: Path | None) -> list[Row]:
    if given is None and importlib.util.find_spec("componentize_py") is None:
        return [Row("Python guest", MISSING, "python -m pip install 'bailiwick[modules]'")]
    before = _resident()
    guest = engine.load(given.read_bytes() if given else _built_python(folder))
    idle = (_resident() - before) / (1 << 20)
    message = b'{"minutes":[480,465,510,30]}'
    with kept_component(engine, guest) as call_text:
        warm = medians(50, {"warm": lambda: call_text(b"total", message)})["warm"]
    times = _after_pauses(engine, guest, message)
    ready, cold = (statistics.median(each) for each in times)
    engine.release(guest)
    alive = _alive(engine, guest, b"total", message, 20)
    return [
        Row("Python guest, warm: a kept sandbox", f"{warm:.0f} us", "", at_most(warm, 100, " us")),
        Row("Python guest, as it is called, kept ready", f"{ready / 1e3:.2f} ms", "on the caller's path",
            at_most(ready / 1e3, 1, " ms")),
        Row("Python guest, a new sandbox", f"{cold / 1e3:.2f} ms", ""),
        Row("Python guest, memory of a live sandbox", f"{alive / 1024:.1f} MB", f"idle and compiled: {idle:.0f} MB"),
    ]  # fmt: skip


def _after_pauses(engine: Any, guest: Guest, message: bytes) -> tuple[list[float], list[float]]:
    """Time calls served from stock and calls that are not, by turns, each when the stock is full and idle."""
    count, unprepared = 4, replace(BUDGET, memory_bytes=BUDGET.memory_bytes - 65_536)
    engine.keep_ready(guest, BUDGET, count).result()
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(80):
        while any(len(shelf.ready) < count for shelf in engine._stock._shelves.values()):
            time.sleep(0.002)
        begun = time.perf_counter()
        engine.run(guest, "total", message, unprepared if turn % 2 else BUDGET)
        if turn >= 10:
            times[turn % 2].append((time.perf_counter() - begun) * 1e6)
    return times


def _built_python(folder: Path) -> bytes:
    for words in (["new", "bench-python", "--lang", "python"], ["build", "bench-python"]):
        command = [sys.executable, "-m", "bailiwick.cli", "module", *words]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return (folder / "bench-python" / "bench-python.wasm").read_bytes()


def _memory(engine: Any, core: Guest, component: Guest, folder: Path) -> list[Row]:
    wasm, count = build(folder), 200
    variants = [wasm + b"\0\x05\x04%04d" % number for number in range(count)]
    before = _resident()
    idle = [engine.load(each) for each in variants]
    idle_kb = (_resident() - before) / count / 1024
    del idle
    alive_kb = _alive(engine, component, b"count", MESSAGE, count)
    for _ in range(5_000):
        engine.run(core, "count", MESSAGE, BUDGET)
    before = _resident()
    for _ in range(CALLS_FOR_GROWTH):
        engine.run(core, "count", MESSAGE, BUDGET)
    grown = (_resident() - before) / 1024
    return [
        Row("memory of an idle module", f"{idle_kb:.0f} kB", f"small, compiled; {count} of them"),
        Row("memory of a live sandbox", f"{alive_kb:.0f} kB", f"small component; {count} at once"),
        Row(f"growth after {CALLS_FOR_GROWTH:,} calls", f"{grown:,.0f} kB", "resident memory",
            f"none: {'met' if grown < 1_024 else 'not met'}"),
    ]  # fmt: skip


def _alive(engine: Any, guest: Guest, function: bytes, message: bytes, count: int) -> float:
    """Give the memory of one of many sandboxes of a component that were called once and are still there, in kB."""
    caller, exported = engine._component_calls(), guest.code.exports["call"]
    before = _resident()
    alive = [engine._sandboxes.open(guest.code, BUDGET, 1 << 40, lambda _: None) for _ in range(count)]
    for each in alive:
        caller.call_text(each, exported, (function, message))
    found = (_resident() - before) / count / 1024
    for each in alive:
        engine._sandboxes.close(each)
    return found


def _resident() -> int:
    """Give the resident memory of this process, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _at_once(folder: Path) -> list[Row]:
    """Measure two threads against one, and two processes against one as the control."""
    place = folder / "work.wasm"
    place.write_bytes(build(folder, work=ROUNDS_OF_WORK))
    threads, processes = [], []
    with Engine() as engine:
        guest = engine.load(place.read_bytes())
        _work(engine, guest)
        for _ in range(3):
            alone, both = (_seconds_of_threads(engine, guest, count) for count in (1, 2))
            threads.append(2 * alone / both)
            alone, both = (_seconds_of_processes(place, count) for count in (1, 2))
            processes.append(2 * alone / both)
    mine, control = statistics.median(threads), statistics.median(processes)
    return [
        Row("two threads on two cores", f"{mine:.2f} x one", f"{mine / control:.2f} of what two processes give"),
        Row(
            "  two processes, the control",
            f"{control:.2f} x one",
            f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.0f}",
        ),
    ]


def _work(engine: Engine, guest: Guest) -> None:
    for _ in range(CALLS_AT_ONCE):
        engine.run(guest, "count", MESSAGE, BUDGET)


def _seconds_of_threads(engine: Engine, guest: Guest, count: int) -> float:
    threads = [threading.Thread(target=_work, args=(engine, guest)) for _ in range(count)]
    begun = time.perf_counter()
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return time.perf_counter() - begun


def _seconds_of_processes(place: Path, count: int) -> float:
    command = [sys.executable, "-m", "benchmarks.modules", "--work", str(place)]
    workers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(count)
    ]
    for each in workers:
        assert each.stdout is not None
        each.stdout.readline()
    begun = time.perf_counter()
    for each in workers:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    for each in workers:
        assert each.stdout is not None
        each.stdout.readline()
    spent = time.perf_counter() - begun
    for each in workers:
        each.communicate()
    return spent


def _be_worker(place: Path) -> None:
    """Be one process of the control: say when ready, work when told, say when done."""
    with Engine() as engine:
        guest = engine.load(place.read_bytes())
        engine.run(guest, "count", MESSAGE, BUDGET)
        print("ready", flush=True)
        sys.stdin.readline()
        _work(engine, guest)
        print("done", flush=True)


def main() -> None:
    """Measure modules alone: ``python -m benchmarks.modules [PYTHON-GUEST.wasm]``."""
    import tempfile

    from benchmarks.table import markdown

    if sys.argv[1:2] == ["--work"]:
        return _be_worker(Path(sys.argv[2]))
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as folder:
        print(markdown(measure(Path(folder), Path(sys.argv[1]) if sys.argv[1:] else None)))
    return None


if __name__ == "__main__":
    main()
