"""Binaries from anybody: cut short, altered, random, and built to make the walk or the compiler work."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import bailiwick
from bailiwick.engine import Engine
from bailiwick.engine.binary import COMPONENT_MAGIC, CORE_MAGIC
from bailiwick.engine.nesting import COMPONENT_BYTES_MAX
from tests.hostile.guests import COMPONENTS, CORES, PUPPET, core
from tests.hostile.stand import Stand, dice_of, ending_of, told
from tests.supervisor.conftest import wasm_of

INTAKE = Path(bailiwick.__file__).parent / "builtin" / "modules" / "osha-intake" / "osha-intake.wasm"
FORMS = {"core": CORES, "component": COMPONENTS}
STRANGE_BYTES = bytes([0x00, 0x01, 0x02, 0x0B, 0x40, 0x41, 0x60, 0x6F, 0x70, 0x7B, 0x7F, 0x80, 0xFF])
MUTATIONS, MUTATIONS_SLOW = 400, 20_000
NEIGHBOUR_EVERY = 20
"""The neighbour is called after so many altered binaries, and after the last."""


def number(value: int) -> bytes:
    """Write an unsigned LEB128."""
    made = bytearray()
    while value >= 0x80:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*made, value])


def section(kind: int, content: bytes) -> bytes:
    """Write one section."""
    return bytes([kind]) + number(len(content)) + content


def altered(raw: bytes, dice) -> bytes:
    """Give a binary with one to four places altered: mostly in place, since a length that is off is found at once."""
    made = bytearray(raw)
    for _ in range(dice.choice([1, 1, 2, 4])):
        at = dice.randrange(8 if dice.random() < 0.98 else 0, len(made))
        how = dice.randrange(10)
        if how < 4:
            made[at] ^= 1 << dice.randrange(8)
        elif how < 7:
            made[at] = dice.choice(STRANGE_BYTES)
        elif how == 7:
            end = dice.randrange(8, len(made))
            made[at : at + 8] = made[end : end + 8]
        elif how == 8:
            made[at:at] = dice.randbytes(dice.randrange(1, 6))
        else:
            del made[at : at + dice.randrange(1, 9)]
        if len(made) < 12:
            break
    return bytes(made)


@pytest.mark.parametrize("text", [*CORES, *COMPONENTS], ids=["puppet", "tabled", "text", "clock", "typed", "nested"])
def test_every_beginning_of_a_binary_is_refused(stand: Stand, text: str):
    """Wrong if a download that stopped anywhere were run, or ended the process."""
    wasm = wasm_of(text)
    for length in range(len(wasm)):
        with told(length):
            code = ending_of(stand.engine, wasm[:length])
            # Names are the last section, and nothing needs them: without them the module is whole.
            assert code.startswith("module-") or b"name" in wasm[length - 12 :]
    stand.neighbour_is_right()


def fuzz(stand: Stand, form: str, count: int) -> None:
    whole = [wasm_of(text) for text in FORMS[form]]
    for case in range(count):
        with told(f"{form}/{case}"):
            dice = dice_of(form, case)
            ending_of(stand.engine, altered(dice.choice(whole), dice))
            if case % NEIGHBOUR_EVERY == 0:
                stand.neighbour_is_right()


@pytest.mark.parametrize("form", FORMS)
def test_altered_binaries_are_refused_or_run_within_their_bounds(stand: Stand, form: str):
    """Wrong if any bytes ended the process, hung it, or gave another error than one of ours."""
    fuzz(stand, form, MUTATIONS)


@pytest.mark.slow
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("form", FORMS)
def test_many_altered_binaries_are_refused_or_run_within_their_bounds(stand: Stand, form: str):
    """Wrong if rare bytes did what common ones do not."""
    fuzz(stand, form, MUTATIONS_SLOW)


@pytest.mark.parametrize("magic", [b"", CORE_MAGIC, COMPONENT_MAGIC], ids=["none", "core", "component"])
def test_random_bytes_are_refused(stand: Stand, magic: bytes):
    """Wrong if noise were taken for a module."""
    for case in range(150):
        with told(case):
            noise = magic + dice_of("noise", magic, case).randbytes(case * 3)
            assert ending_of(stand.engine, noise).startswith("module-")
    stand.neighbour_is_right()


def test_an_altered_first_party_module_is_refused_or_runs_within_its_bounds(stand: Stand):
    """Wrong if code that a compiler made hid what small guests do not have."""
    whole = INTAKE.read_bytes()
    for case in range(60):
        with told(case):
            ending_of(stand.engine, altered(whole, dice_of("intake", case)))
    stand.neighbour_is_right()


SIZE = (4 << 20) - 100
LARGE = COMPONENT_BYTES_MAX - 100
WALKS = {
    "bodies": CORE_MAGIC + section(10, number(SIZE // 2 - 10) + b"\1\0" * (SIZE // 2 - 10)),
    "exports": CORE_MAGIC + section(7, number(SIZE // 3 - 10) + bytes(SIZE - 30)),
    "imports": CORE_MAGIC + section(2, number(SIZE // 4 - 10) + bytes(SIZE - 40)),
    "memories": CORE_MAGIC + section(5, number(SIZE // 2 - 10) + bytes(SIZE - 20)),
    "sections": CORE_MAGIC + bytes(SIZE // 2 * 2),
    "locals": CORE_MAGIC
    + section(10, number(16) + 16 * (number(250_003) + number(125_000) + b"\0\x7f" * 125_000)),
    "sections of a component": COMPONENT_MAGIC + bytes(LARGE // 2 * 2),
    "bodies of a component": COMPONENT_MAGIC
    + section(1, CORE_MAGIC + section(10, number(LARGE // 2 - 30) + b"\1\0" * (LARGE // 2 - 30))),
    "exports of a component": COMPONENT_MAGIC
    + section(1, CORE_MAGIC + section(7, number(LARGE // 3 - 30) + bytes(LARGE // 3 * 3 - 90))),
}  # fmt: skip


@pytest.mark.parametrize("wasm", WALKS.values(), ids=WALKS.keys())
def test_a_binary_of_millions_of_entries_is_refused_before_they_are_walked(stand: Stand, wasm: bytes):
    """Wrong if 32 MB of empty entries held the interpreter's lock for a minute, with nobody's fuel counted."""
    before = time.thread_time()
    assert ending_of(stand.engine, wasm) in {"module-code", "module-malformed"}
    # Not a benchmark: unbounded, these took 4 to 45 seconds; bounded, the worst takes less than one.
    assert time.thread_time() - before < 3
    stand.neighbour_is_right()


V128 = {
    "takes a vector": core("(i64.const 0)").replace("(param $size i32) (result i32)", "(param v128) (result i32)", 1),
    "gives a vector": core("(i64.const 0)").replace(
        '"run") (param $at i32) (param $size i32) (result i64) (local $i i32) (i64.const 0)',
        '"run") (param $at i32) (param $size i32) (result v128) (v128.const i64x2 0 0)',
    ),
    "imports a vector": core(
        "(i64.const 0)", extra='(import "bailiwick" "call" (func (param v128) (result i64)))'
    ),
    "gives a reference": core("(i64.const 0)").replace(
        "(param $size i32) (result i32) (i32.const 1024)", "(param $size i32) (result externref) (ref.null extern)", 1
    ),
}  # fmt: skip


@pytest.mark.parametrize("text", V128.values(), ids=V128.keys())
def test_values_that_have_no_name_in_the_engines_package_are_refused_and_do_not_end_the_process(stand, text):
    """Wrong if one export of a vector ended the node: the package aborts when it is asked for that type's kind."""
    assert ending_of(stand.engine, wasm_of(text)) in {"module-exports", "module-imports"}
    stand.neighbour_is_right()


def test_exports_of_vectors_beside_the_three_names_are_nobodys_business(stand: Stand):
    """Wrong if a module could not be called because of what nobody calls."""
    beside = '(global (export "g") v128 (v128.const i64x2 0 0)) (func (export "x") (param v128))'
    with Engine(marshaller="stock", allocator="on-demand") as stock:
        for engine in (stand.engine, stock):
            assert ending_of(engine, wasm_of(core("(i64.const 0)", extra="").replace("(module ", "(module " + beside)))


UNGRANTED = {
    "core wasi": ('(import "wasi_snapshot_preview1" "fd_write" (func (param i32) (result i32)))', "module-imports"),
    "core env": ('(import "env" "system" (func (param i32) (result i32)))', "module-imports"),
    "core memory": ('(import "env" "memory" (memory 1))', "module-imports"),
    "core table": ('(import "bailiwick" "call" (table 1 funcref))', "module-imports"),
    "core global": ('(import "bailiwick" "call" (global i32))', "module-imports"),
    "core twice": ('(import "bailiwick" "call" (func (param i32 i32) (result i64)))' * 2, "module-imports"),
    "core shape": ('(import "bailiwick" "call" (func (param i64) (result i64)))', "module-imports"),
    "core dotted": ('(import "bailiwick.call" "" (func (param i32 i32) (result i64)))', "module-imports"),
}


@pytest.mark.parametrize(("imported", "code"), UNGRANTED.values(), ids=UNGRANTED.keys())
def test_a_core_module_that_imports_what_nobody_grants_is_refused(stand, imported, code):
    """Wrong if a guest got anything that is not the one function of the host."""
    assert ending_of(stand.engine, wasm_of(core("(i64.const 0)", extra=imported))) == code
    stand.neighbour_is_right()


WASI = [
    "wasi:filesystem/types@0.2.0", "wasi:sockets/tcp@0.2.0", "wasi:clocks/wall-clock@0.2.0",
    "wasi:cli/environment@0.2.0", "wasi:random/random@0.2.0", "wasi:http/outgoing-handler@0.2.0",
    "acme:anything/at-all@1.0.0", "bailiwick:clock/clock",
]  # fmt: skip
OWN = (
    '(core module $m (func (export "f"))) (core instance $i (instantiate $m)) '
    '(func (export "f") (canon lift (core func $i "f")))'
)
NO_INTERFACE = {
    "a function": ('(import "now" (func))', {"module-imports"}),
    "an instance in an instance": (
        '(import "bailiwick:a/b@0.1.0" (instance (export "t" (instance (export "f" (func))))))', {"module-type"},
    ),
    "a core module": ('(import "bailiwick:a/b@0.1.0" (instance (export "t" (core module))))', {"module-type"}),
    "a resource": ('(import "bailiwick:a/b@0.1.0" (instance (export "r" (type (sub resource)))))', {"module-type"}),
    "a component": ('(import "bailiwick:a/b@0.1.0" (component))', {"module-invalid", "module-imports"}),
}  # fmt: skip


@pytest.mark.parametrize("name", WASI)
def test_a_component_that_imports_another_world_is_refused(stand, name):
    """Wrong if files, sockets or clocks of WASI came in by the name of a component's import."""
    text = f'(component (import "{name}" (instance (export "f" (func)))) {OWN})'
    assert ending_of(stand.engine, wasm_of(text)) == "module-imports"
    stand.neighbour_is_right()


@pytest.mark.parametrize(("imported", "codes"), NO_INTERFACE.values(), ids=NO_INTERFACE.keys())
def test_a_component_that_imports_more_than_functions_and_types_is_refused_when_it_is_loaded(stand, imported, codes):
    """Wrong if it were installed, and each call then blamed the host."""
    assert ending_of(stand.engine, wasm_of(f"(component {imported} {OWN})")) in codes
    stand.neighbour_is_right()


def test_what_is_exported_from_imports_is_refused(stand):
    """Wrong if a guest could have the host call itself, with no guest between to ask for anything."""
    again = PUPPET.replace('(func (export "run")', '(export "run" (func $call)) (func (export "was")')
    assert ending_of(stand.engine, wasm_of(again)) == "module-exports"
    instance = '(import "bailiwick:a/b@0.1.0" (instance $h (export "f" (func))))'
    own = OWN.replace('(func (export "f") (canon', "(func $f (canon")
    wasm = wasm_of(f'(component {instance} {own} (instance $o (export "f" (func $f))) (export "x" (instance $o)))')
    assert ending_of(stand.engine, wasm) == "ran"
    # The text format does not let an imported instance be exported as it is; the binary format does.
    again = wasm.replace(b"\x01x\x05\x01\x00", b"\x01x\x05\x00\x00")
    assert again != wasm
    assert ending_of(stand.engine, again) in {"module-exports", "module-invalid"}
    stand.neighbour_is_right()
