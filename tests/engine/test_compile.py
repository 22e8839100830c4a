"""A hostile module may cost the process that compiles it, and nothing else."""

import os
import sys

import pytest

from bailiwick.engine import Engine
from bailiwick.engine import compile as compiling
from bailiwick.engine.compile import CompileLimits, Compiler
from bailiwick.engine.selftest import COMPONENT_TEXT, PROBE_TEXT
from bailiwick.errors import ModuleRefused, Unavailable

LOOPS, LOCALS = 300, 2_000
ENTRY = '(memory (export "memory") 1) (func (export "alloc") (param i32) (result i32) (i32.const 64))'
RUN = '(func (export "run") (param i32 i32) (result i64) (i64.const 0))'


def nested_loops() -> str:
    """Write a function of some kilobytes whose every loop carries every local: a million values to keep apart."""
    changes = " ".join(
        f"(local.set {at * 7 % LOCALS} (i32.add (local.get {at % LOCALS}) (i32.const 1)))" for at in range(900)
    )
    loops = "(loop " * LOOPS + changes + "(br_if 0 (local.get 0)))" * LOOPS
    return f"(module {ENTRY} {RUN} (func (local {'i32 ' * LOCALS}) {loops}))"


def many_branches() -> str:
    """Write a function that sets each of many locals in a branch of its own: much memory for few bytes."""
    branches = " ".join(
        f"(if (local.get 0) (then (local.set {at * 13 % 10_000} (local.get {at}))))" for at in range(5_000)
    )
    return f"(module {ENTRY} {RUN} (func (local {'i32 ' * 10_000}) {branches}))"


@pytest.mark.parametrize(("text", "kind"), [(PROBE_TEXT, "core"), (COMPONENT_TEXT, "component")])
def test_a_worker_makes_the_code_that_this_process_would(engine, to_wasm, text, kind):
    """If it failed, what a guest does would depend on where it was compiled."""
    wasm = to_wasm(text)
    here = engine._package.Engine(compiling.configure(engine._package, is_pooling=False))
    assert Compiler()(wasm, kind) == compiling.serialise(engine._package, here, wasm, kind)


def test_a_guest_made_by_a_worker_answers_as_one_made_here_with_the_same_fuel(engine, intake, budget):
    """If it failed, evidence would differ between nodes that compile apart and others."""
    from tests.engine.conftest import MODULE

    question = b'{"header":"a","row":"b"}'
    with Engine(artefact=Compiler()) as apart:
        guest = apart.load((MODULE / "osha-intake.wasm").read_bytes())
        assert apart.run(guest, "observe", question, budget) == engine.run(intake, "observe", question, budget)


def test_what_is_not_valid_is_refused_with_the_place(to_wasm):
    """If it failed, an author would not learn what is wrong with the module."""
    wasm = to_wasm(f"(module {ENTRY} {RUN})")
    with pytest.raises(ModuleRefused, match="not valid WebAssembly") as refused:
        Compiler()(wasm[:-1] + b"\x1a", "core")
    assert refused.value.code == "module-invalid"


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        (nested_loops, CompileLimits(cpu_seconds=1)),
        (many_branches, CompileLimits(address_bytes=400 << 20)),
        (lambda: PROBE_TEXT, CompileLimits(output_bytes=4_096)),
    ],
    ids=["time", "memory", "output"],
)
def test_a_bomb_is_refused_and_the_next_module_is_compiled(to_wasm, text, limits):
    """If it failed, one author could stop a node for everybody."""
    compiler = Compiler(limits, workers=1)
    with pytest.raises(ModuleRefused) as refused:
        compiler(to_wasm(text()), "core")
    assert refused.value.code == "module-compile-limit"
    assert Compiler()(to_wasm(PROBE_TEXT), "core")


def test_the_same_compiler_goes_on_after_a_refusal(to_wasm):
    """If it failed, a refused module would take a worker's place for ever."""
    compiler = Compiler(workers=1)
    for _ in range(3):
        with pytest.raises(ModuleRefused):
            compiler(b"\0asm\x01\0\0\0\x07", "core")
    assert compiler(to_wasm(PROBE_TEXT), "core")


def test_a_worker_that_comes_to_no_end_is_ended_and_it_is_nobodys_fault(monkeypatch, tmp_path):
    """If it failed, a busy host would call a module bad, or wait for ever."""
    place = tmp_path / "pid"
    program = f"import os; open({str(place)!r}, 'w').write(str(os.getpid()))\nwhile True: pass"
    monkeypatch.setattr(compiling, "PROGRAM", program)
    with pytest.raises(Unavailable, match="came to no end in 1 seconds") as unavailable:
        Compiler(CompileLimits(wall_seconds=1))(b"", "core")
    assert unavailable.value.code == "compile-worker"
    with pytest.raises(ProcessLookupError):
        os.kill(int(place.read_text()), 0)


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("import os; os.kill(os.getpid(), 9)", "ended with -9"),
        ("import not_there_at_all", "ModuleNotFoundError"),
        ("raise SystemExit(7)", "ended with 7: it said nothing"),
    ],
    ids=["killed from outside", "incomplete", "silent"],
)
def test_a_worker_that_fails_by_itself_is_no_verdict_on_the_module(monkeypatch, program, why):
    """If it failed, a good module would be refused because the host is short of memory or badly installed."""
    monkeypatch.setattr(compiling, "PROGRAM", program)
    with pytest.raises(Unavailable, match=why) as unavailable:
        Compiler()(b"", "core")
    assert unavailable.value.code == "compile-worker"


def test_a_worker_that_cannot_start_is_said_to_be_so(monkeypatch, tmp_path):
    """If it failed, a traceback would reach whoever installs a module."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nowhere"))
    with pytest.raises(Unavailable, match="cannot be started") as unavailable:
        Compiler()(b"", "core")
    assert unavailable.value.code == "compile-worker"


def test_a_worker_sees_no_variable_and_no_file_of_its_parent(monkeypatch, tmp_path):
    """If it failed, a compiler that is broken into would find the secrets of the node."""
    monkeypatch.setenv("NODE_SECRET", "hidden")
    program = (
        "import os; files = sorted(int(each) for each in os.listdir('/proc/self/fd'))\n"
        "raise SystemExit(' '.join(os.environ) + ' files ' + ' '.join(map(str, files)) + ' in ' + os.getcwd())"
    )
    monkeypatch.setattr(compiling, "PROGRAM", program)
    with (tmp_path / "secret").open("w") as secret:
        os.set_inheritable(secret.fileno(), True)
        # The fourth file is the listing itself.
        with pytest.raises(Unavailable, match=r"files 0 1 2 3 in /$") as unavailable:
            Compiler()(b"", "core")
    assert "SECRET" not in str(unavailable.value)


def test_a_worker_takes_its_limits_for_good(monkeypatch):
    """If it failed, the numbers in this file would bind nobody."""
    program = (
        "import sys; sys.path[:] = sys.argv[5:]; import resource\n"
        "from bailiwick.engine.compile import take_limits; take_limits(7, 1 << 30, 5_000)\n"
        "names = 'CPU AS FSIZE CORE NOFILE'.split()\n"
        "raise SystemExit(str([resource.getrlimit(getattr(resource, 'RLIMIT_' + name)) for name in names]))"
    )
    monkeypatch.setattr(compiling, "PROGRAM", program)
    with pytest.raises(Unavailable) as unavailable:
        Compiler()(b"", "core")
    wanted = [(7, 8), (1 << 30, 1 << 30), (5_000, 5_000), (0, 0), (3, 3)]
    assert str(wanted) in str(unavailable.value)
