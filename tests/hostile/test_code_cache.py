"""Files of compiled code that somebody altered, moved or put there: never run, always made again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bailiwick.engine import Engine
from bailiwick.engine.cache import CodeCache
from bailiwick.engine.loading import serialise
from bailiwick.engine.package import configure, wasmtime_package
from tests.hostile.guests import component, core
from tests.hostile.stand import BUDGET, Stand, dice_of, told
from tests.supervisor.conftest import wasm_of

ANSWER = '{"ok":1}'
WASM = wasm_of(
    core(
        f"(i64.const {65_536 << 32 | len(ANSWER)})",
        extra=f'(data (i32.const 65536) "{ANSWER}")'.replace('{"', "{\\22").replace('":', "\\22:"),
    )
)
FLIPS = 60
KEY = b"k" * 32


@pytest.fixture
def cache(tmp_path: Path) -> CodeCache:
    """Give a cache that compiles here, and holds the code of one module."""
    package = wasmtime_package()
    compiler = package.Engine(configure(package, is_pooling=False))
    return CodeCache(tmp_path / "code", KEY, make=lambda wasm, kind: serialise(package, compiler, wasm, kind))


def file_of(cache: CodeCache, tmp_path: Path, wasm: bytes = WASM, kind: str = "core") -> Path:
    """Have a module compiled, and give the file that its code is kept in."""
    before = set((tmp_path / "code").glob("*")) if (tmp_path / "code").is_dir() else set()
    cache(wasm, kind)
    (found,) = set((tmp_path / "code").glob("*")) - before
    return found


def is_right(engine: Engine) -> bool:
    """Say whether the module, loaded through the cache, gives its answer."""
    return engine.run(engine.load(WASM), "do", b"{}", BUDGET).output == ANSWER.encode()


def test_a_file_with_one_bit_flipped_anywhere_is_never_run(stand: Stand, cache: CodeCache, tmp_path: Path):
    """Wrong if a flipped bit ran as native code, which the engine itself does not notice."""
    file = file_of(cache, tmp_path)
    whole = file.read_bytes()
    with Engine(artefact=cache) as engine:
        for case in range(FLIPS):
            with told(case):
                dice = dice_of("flips", case)
                raw = bytearray(whole)
                # The first 200 bytes each matter: the code of authentication, the head, and the start of the code.
                raw[case * 3 if case * 3 < 180 else dice.randrange(len(raw))] ^= 1 << dice.randrange(8)
                file.write_bytes(bytes(raw))
                refused = cache.counts.refused
                assert is_right(engine)
                assert cache.counts.refused == refused + 1
                assert file.read_bytes() == whole
    stand.neighbour_is_right()


def test_files_cut_short_swapped_linked_or_of_another_home_are_never_run(
    stand: Stand, cache: CodeCache, tmp_path: Path
):
    """Wrong if code could come from anywhere but this home's own compiler."""
    file = file_of(cache, tmp_path)
    whole = file.read_bytes()
    other = file_of(cache, tmp_path, wasm_of(core("(unreachable)")))
    foreign = tmp_path / "foreign"
    shutil.copytree(tmp_path / "code", foreign)
    theirs = CodeCache(foreign, b"o" * 32, make=cache._make)
    theirs(WASM, "core")
    outside = tmp_path / "outside"
    outside.write_bytes(whole)
    tricks = {
        "empty": lambda: file.write_bytes(b""),
        "cut short": lambda: file.write_bytes(whole[:-1]),
        "longer": lambda: file.write_bytes(whole + b"\0"),
        "another module's": lambda: shutil.copyfile(other, file),
        "another home's": lambda: shutil.copyfile(foreign / file.name, file),
        "the bare code": lambda: file.write_bytes(whole[32:]),
        "a link": lambda: (file.unlink(), file.symlink_to(outside)),
        "a folder": lambda: (file.unlink(), file.mkdir()),
        "readable by others": lambda: (file.rmdir(), file.write_bytes(whole), file.chmod(0o644)),
    }
    with Engine(artefact=cache) as engine:
        for name, play in tricks.items():
            with told(name):
                play()
                refused = cache.counts.refused
                assert is_right(engine)
                assert cache.counts.refused == refused + 1
    stand.neighbour_is_right()


def test_code_of_a_component_is_not_taken_for_code_of_a_core_module(stand: Stand, cache: CodeCache, tmp_path: Path):
    """Wrong if the kind of code were believed by the file's name alone."""
    file = file_of(cache, tmp_path)
    made = file_of(cache, tmp_path, wasm_of(component()), "component")
    shutil.copyfile(made, file)
    with Engine(artefact=cache) as engine:
        assert is_right(engine)
    assert cache.counts.refused == 1
    stand.neighbour_is_right()
