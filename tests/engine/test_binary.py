"""What a module is refused for before anything is compiled or run."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

import bailiwick
from bailiwick.engine import MODULE_BYTES_MAX, Engine
from bailiwick.errors import ModuleFailed, ModuleRefused, Unavailable
from bailiwick.model import Budget

GOOD = """(module (memory (export "memory") 1) (table 1 funcref)
  (func (export "alloc") (param i32) (result i32) (i32.const 8))
  (func (export "run") (param i32 i32) (result i64) (local i32) (i64.const 0)))"""
MEMORY = '(memory (export "memory") 1)'
RELAXED = "(drop (i8x16.relaxed_swizzle (v128.const i64x2 0 0) (v128.const i64x2 0 0))) (i64.const 0)"
MUTATIONS = 300


def leb(number):
    """Write an unsigned LEB128."""
    out = bytearray()
    while True:
        number, low = number >> 7, number & 127
        out.append(low | (128 if number else 0))
        if not number:
            return bytes(out)


def refusal(engine, wasm):
    """Load what must be refused, and give the error."""
    with pytest.raises(ModuleRefused) as caught:
        engine.load(wasm)
    assert caught.value.hint
    return caught.value


def test_a_module_with_all_it_needs_is_admitted(engine, to_wasm):
    """Refusing everything would pass every other test here."""
    guest = engine.load(to_wasm(GOOD))
    assert guest.memory_bytes_min == 65_536
    assert guest.digest.startswith("sha256:")


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("module-start", GOOD.replace("(table", "(func $s (loop $l (br $l))) (start $s) (table")),
        ("module-exports", GOOD.replace('"alloc"', '"malloc"')),
        ("module-exports", GOOD.replace('"memory"', '"mem"')),
        ("module-exports", GOOD.replace("(param i32 i32) (result i64)", "(param i64 i64) (result i64)")),
        ("module-exports", GOOD.replace(MEMORY, '(memory 1) (global (export "memory") i32 (i32.const 1))')),
        ("module-memory", GOOD.replace(MEMORY, '(memory (export "memory") 5000)')),
        ("module-memory", GOOD.replace(MEMORY, '(memory (export "memory") 1 2 shared)')),
        ("module-memory", GOOD.replace("(memory (export", "(memory 1) (memory (export")),
        ("module-memory", GOOD.replace(MEMORY, '(memory (export "memory") i64 1)')),
        ("module-tables", GOOD.replace("(table 1 funcref)", "(table 65537 funcref)")),
        ("module-tables", GOOD.replace("(table 1 funcref)", "(table 4294967295 funcref)")),
        ("module-tables", GOOD.replace("(table 1 funcref)", "(table 1 funcref)" * 5)),
        ("module-code", GOOD.replace("(table", f"(func (local {'i32 ' * 50_000})) " * 2 + "(func (local i32)) (table")),
        ("module-code", GOOD.replace("(table", "(func)" * 20_001 + "(table")),
        ("module-code", GOOD.replace("(i64.const 0)", "nop " * 300_000 + "(i64.const 0)")),
        ("module-invalid", GOOD.replace("(i64.const 0)", RELAXED)),
    ],
)  # fmt: skip
def test_a_module_that_asks_for_what_no_module_gets_is_refused(engine, to_wasm, code, text):
    """A start function, a huge memory or a compile bomb would act before any budget holds."""
    assert refusal(engine, to_wasm(text)).code == code


def test_every_import_is_refused_by_name(engine, to_wasm):
    """A guest that imports anything could reach the host; the error must say what to remove."""
    imports = """(import "wasi_snapshot_preview1" "fd_write" (func (param i32)))
      (import "env" "t" (table 1 funcref)) (import "env" "g" (global i32)) (memory"""
    refused = refusal(engine, to_wasm(GOOD.replace("(memory", imports, 1)))
    assert refused.code == "module-imports"
    assert "wasi_snapshot_preview1.fd_write, env.t, env.g" in refused.message


def test_an_imported_memory_is_refused_as_an_import(engine, to_wasm):
    """Memory from outside would be shared between calls."""
    text = GOOD.replace(
        '(memory (export "memory") 1)', '(import "env" "memory" (memory 1)) (export "memory" (memory 0))'
    )
    assert refusal(engine, to_wasm(text)).code == "module-imports"


def test_the_names_of_imports_cannot_flood_or_colour_a_terminal(engine, to_wasm):
    """Import names come from a stranger; printed raw they could hide what is said after them."""
    imports = "".join(f'(import "\\1b[2Jenv" "{"x" * 5_000}{i}" (func))' for i in range(60))
    refused = refusal(engine, to_wasm(GOOD.replace("(memory", imports + "(memory", 1)))
    assert "\x1b" not in refused.message
    assert len(refused.message) < 5_000
    assert "and 40 more" in refused.message


@pytest.mark.parametrize(
    ("code", "wasm"),
    [
        ("module-not-wasm", b""),
        ("module-not-wasm", b"\0asm"),
        ("module-not-wasm", b"(module)"),
        ("module-not-wasm", b"\x7fELF" + bytes(60)),
        ("module-not-wasm", b"\0asm\2\0\0\0"),
        ("module-exports", b"\0asm\x0d\0\1\0"),
        ("module-too-large", b"\0asm\1\0\0\0" + bytes(MODULE_BYTES_MAX)),
        ("module-malformed", b"\0asm\1\0\0\0" + b"\5\xff\xff\xff\xff\x0f"),
        ("module-malformed", b"\0asm\1\0\0\0" + b"\2\x05" + leb(2**32 - 1)),
        ("module-malformed", b"\0asm\1\0\0\0" + b"\5" + b"\x80" * 11),
        ("module-exports", b"\0asm\1\0\0\0"),
    ],
)
def test_bytes_that_are_no_core_module_are_refused_with_the_reason(engine, code, wasm):
    """Each of these was a crash or a hang in some loader."""
    assert refusal(engine, wasm).code == code


def test_a_module_cut_short_anywhere_is_refused(engine, to_wasm):
    """A download that stopped half way must never be run, and never end the process."""
    wasm = to_wasm(GOOD)
    for length in range(len(wasm)):
        assert refusal(engine, wasm[:length]).code.startswith("module-")


def test_mutated_modules_are_refused_or_run_within_their_budget(engine):
    """A damaged or crafted binary must end in one of our errors, whichever byte is off."""
    folder = Path(bailiwick.__file__).parent / "builtin" / "modules" / "osha-intake"
    original = (folder / "osha-intake.wasm").read_bytes()
    dice = random.Random(1904)
    budget = Budget(fuel=200_000, memory_bytes=4 << 20, deadline_ms=2_000)
    endings = set()
    for _ in range(MUTATIONS):
        wasm = bytearray(original)
        for _ in range(dice.choice((1, 1, 2, 8))):
            wasm[dice.randrange(len(wasm))] = dice.randrange(256)
        try:
            engine.run(engine.load(bytes(wasm)), "observe", b'{"header":"a","row":"1"}', budget)
            endings.add("answered")
        except (ModuleRefused, ModuleFailed, Unavailable) as error:
            endings.add(type(error).__name__)
    assert {"answered", "ModuleRefused", "ModuleFailed"} <= endings


def test_the_smaller_tiers_memory_can_be_asked_for_at_load(engine, to_wasm):
    """A module that can never fit its tier should be refused when it is installed, not at each call."""
    wasm = to_wasm(GOOD.replace('"memory") 1', '"memory") 300'))
    with pytest.raises(ModuleRefused) as caught:
        engine.load(wasm, memory_bytes_max=16 << 20)
    assert caught.value.code == "module-memory"
    assert engine.load(wasm).memory_bytes_min == 300 * 65_536


def test_importing_the_door_does_not_import_the_engine():
    """The terminal answers --help in 300 ms only if the engine's package stays away until it is wanted."""
    script = "import sys, bailiwick.engine; sys.exit('wasmtime' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_closed_engine_loads_nothing(to_wasm):
    """Without its ticker no deadline would hold."""
    engine = Engine()
    engine.close()
    engine.close()
    with pytest.raises(Unavailable) as caught:
        engine.load(to_wasm(GOOD))
    assert caught.value.code == "engine-closed"
