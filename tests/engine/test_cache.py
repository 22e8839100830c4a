"""Compiled code that anybody could have touched is not used: the module is compiled again, and answers right."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from bailiwick.engine import Engine
from bailiwick.engine.cache import CacheCounts, CodeCache, engine_settings
from bailiwick.engine.compile import Compiler
from bailiwick.engine.selftest import PROBE_TEXT
from bailiwick.errors import ModuleRefused, UsageRefused

KEY = bytes(range(32))
WASM = b"one module"
SETTINGS = "0123456789abcdef"


class Maker:
    """Makes code of any bytes, and counts how often."""

    def __init__(self):
        self.made = 0

    def __call__(self, wasm, kind):
        self.made += 1
        return b"code of " + wasm + b" as " + kind.encode()


@pytest.fixture
def make():
    return Maker()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "code"


@pytest.fixture
def cache_of(folder, make):
    """Give a function that opens the cache anew, as another process would."""

    def build(key=KEY, **how):
        return CodeCache(folder, key, make=make, **{"settings": SETTINGS, "architecture": "x86_64", **how})

    return build


def only_file(folder):
    """Give the one file that is there."""
    (path,) = folder.iterdir()
    return path


def test_code_is_made_once_and_found_by_everybody_after(cache_of, folder, make):
    """If it failed, each start of a process would compile every module."""
    first = cache_of()
    code = first(WASM, "core")
    assert [first(WASM, "core"), cache_of()(WASM, "core")] == [code, code]
    assert make.made == 1
    assert first.counts == CacheCounts(found=1, missing=1)
    assert only_file(folder).stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("place", [0, 31, 32, 40, -30, -1])
def test_one_flipped_bit_anywhere_has_the_module_compiled_again(cache_of, folder, make, place):
    """If it failed, whoever can change a file could run native code in the node."""
    code = cache_of()(WASM, "core")
    path = only_file(folder)
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    again = cache_of()
    assert again(WASM, "core") == code
    assert (make.made, again.counts.refused, again.counts.found) == (2, 1, 0)
    healed = cache_of()
    assert healed(WASM, "core") == code
    assert (make.made, healed.counts.found) == (2, 1)


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data[:40], lambda _: b"", lambda d: d + b"x"])
def test_a_file_of_another_length_is_not_used(cache_of, folder, make, change):
    """If it failed, a write that a crash cut short would be run."""
    code = cache_of()(WASM, "core")
    path = only_file(folder)
    path.write_bytes(change(path.read_bytes()))
    assert cache_of()(WASM, "core") == code
    assert make.made == 2


@pytest.mark.parametrize(
    "how",
    [{"settings": "fedcba9876543210"}, {"architecture": "aarch64"}, {"key": bytes(32)}],
    ids=["settings", "architecture", "key"],
)
def test_code_for_another_engine_machine_or_home_is_not_used(cache_of, make, how):
    """If it failed, code would run on what it was not made for, or be taken from a stranger."""
    cache_of()(WASM, "core")
    cache_of(**how)(WASM, "core")
    assert make.made == 2


def test_code_of_another_module_is_not_used_under_this_ones_name(cache_of, folder, make):
    """If it failed, renaming a file would give one module the powers of another."""
    cache = cache_of()
    cache(b"another", "core")
    stranger = only_file(folder).read_bytes()
    cache(WASM, "core")
    for path in folder.iterdir():
        path.write_bytes(stranger)
    assert cache_of()(WASM, "core") == b"code of one module as core"
    assert make.made == 3


def test_code_of_another_kind_is_not_used(cache_of):
    """If it failed, a component's code would be read as that of a core module."""
    cache = cache_of()
    assert cache(WASM, "core") != cache(WASM, "component")


def _as_link(path, tmp_path):
    target = tmp_path / "elsewhere"
    path.rename(target)
    path.symlink_to(target)


def _as_pipe(path, tmp_path):
    path.unlink()
    os.mkfifo(path, 0o600)


def _as_readable(path, tmp_path):
    path.chmod(0o640)


@pytest.mark.parametrize("change", [_as_link, _as_pipe, _as_readable])
def test_only_a_plain_file_of_ours_alone_is_used(cache_of, folder, tmp_path, make, change):
    """If it failed, a link or a file that others write could be changed between the check and the use."""
    code = cache_of()(WASM, "core")
    change(only_file(folder), tmp_path)
    again = cache_of()
    assert again(WASM, "core") == code
    assert (make.made, again.counts.refused) == (2, 1)
    assert not only_file(folder).is_symlink()


def test_what_somebody_else_owns_is_not_used(cache_of, folder, monkeypatch, make):
    """If it failed, another user of the machine could put code there."""
    code = cache_of()(WASM, "core")
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    again = cache_of()
    assert again(WASM, "core") == code
    assert (make.made, again.counts.refused) == (2, 1)


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o755])
def test_a_folder_open_to_others_is_neither_read_nor_written(cache_of, folder, make, mode):
    """If it failed, files could be exchanged by whoever may write there."""
    cache_of()(WASM, "core")
    folder.chmod(mode)
    before = only_file(folder).stat()
    again = cache_of()
    again(WASM, "core")
    assert (make.made, again.counts) == (2, CacheCounts(refused=1))
    assert only_file(folder).stat() == before


def test_a_folder_that_is_a_link_is_not_used(cache_of, folder, tmp_path, make):
    """If it failed, a link would decide where native code comes from."""
    (tmp_path / "real").mkdir(mode=0o700)
    folder.symlink_to(tmp_path / "real")
    cache = cache_of()
    cache(WASM, "core")
    assert cache.counts.refused == 1
    assert list((tmp_path / "real").iterdir()) == []


def test_what_was_used_least_recently_makes_room(cache_of, folder):
    """If it failed, a node would fill its disk, or forget what it needs every minute."""
    cache_of()(b"module 0", "core")
    one = only_file(folder).stat().st_size
    cache = cache_of(bytes_max=3 * one)
    for number in range(3):
        cache(b"module %d" % number, "core")
        for path in folder.iterdir():
            # Older by an hour each time: the file system's clock may tick too slowly for a test.
            status = path.stat()
            os.utime(path, ns=(status.st_mtime_ns - 10**12, status.st_mtime_ns - 10**12))
    cache(b"module 0", "core")
    cache(b"module 3", "core")
    again = cache_of(bytes_max=3 * one)
    again(b"module 0", "core")
    again(b"module 3", "core")
    assert again.counts.found == 2
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 3 * one
    assert cache.counts.removed == 1


def test_code_larger_than_the_cache_is_used_and_not_kept(cache_of, folder):
    """If it failed, one module would push out all the others and itself."""
    cache = cache_of(bytes_max=50)
    assert cache(WASM, "core") == b"code of one module as core"
    assert cache.counts == CacheCounts(missing=1, unkept=1)
    assert list(folder.iterdir()) == []


def test_a_disk_that_does_not_keep_it_costs_time_only(cache_of, folder, monkeypatch):
    """If it failed, a full disk would stop every module."""

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    cache = cache_of()
    assert cache(WASM, "core") == b"code of one module as core"
    assert cache.counts == CacheCounts(missing=1, unkept=1)
    assert list(folder.iterdir()) == []


def test_what_a_writer_left_behind_is_removed_when_it_is_old(cache_of, folder):
    """If it failed, each crash would leave its part on the disk for ever."""
    cache_of()(WASM, "core")
    old, new = folder / ".old.cwasm.1.1", folder / ".new.cwasm.2.2"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (1, 1))
    cache_of()(b"another", "core")
    assert not old.exists()
    assert new.exists()


def test_many_writers_at_once_leave_one_whole_file(cache_of, folder):
    """If it failed, two processes that start together would leave something that neither believes."""
    barrier = threading.Barrier(8)

    def load(_):
        cache = cache_of()
        barrier.wait()
        return [cache(b"module %d" % (number % 3), "core") for number in range(30)]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(load, range(8)))
    assert all(answer == answers[0] for answer in answers)
    assert len(list(folder.iterdir())) == 3
    last = cache_of()
    for number in range(3):
        last(b"module %d" % number, "core")
    assert last.counts == CacheCounts(found=3)


def test_a_refusal_is_not_kept(folder, to_wasm):
    """If it failed, a module that is not valid would leave something behind."""
    cache = CodeCache(folder, KEY, make=Compiler())
    with pytest.raises(ModuleRefused):
        cache(b"\0asm\x01\0\0\0\x07", "core")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_a_key_of_another_length_is_refused(tmp_path, size):
    """If it failed, a missing key would guard the code with nothing."""
    with pytest.raises(UsageRefused):
        CodeCache(tmp_path, bytes(size), make=Maker())


def test_settings_of_the_engine_are_the_same_each_time_and_differ_by_what_code_depends_on(monkeypatch):
    """If it failed, a newer node would use code of an older one, or never find its own."""
    from bailiwick.engine import cache as caching

    usual = engine_settings()
    assert engine_settings() == usual
    configure = caching.configure

    def without_fuel(package, *, is_pooling):
        config = configure(package, is_pooling=is_pooling)
        config.consume_fuel = False
        return config

    monkeypatch.setattr(caching, "configure", without_fuel)
    assert engine_settings() != usual


def test_a_guest_from_the_cache_answers_as_ever_even_after_its_file_was_changed(folder, to_wasm, budget):
    """If it failed, what runs would not be what was checked."""
    wasm = to_wasm(PROBE_TEXT.replace("i64.const 0x7fffffff00000010", "i64.const 0"))
    answers = []
    for change in (False, False, True):
        if change:
            path = only_file(folder)
            data = bytearray(path.read_bytes())
            data[len(data) // 2] ^= 0x40
            path.write_bytes(data)
        cache = CodeCache(folder, KEY, make=Compiler())
        with Engine(artefact=cache) as engine:
            caller, message = engine._caller, b'e{"ok":1}'
            code = engine.load(wasm).code
            answers.append((caller.call(code, message, budget, 1_000), cache.counts.found, cache.counts.refused))
    finished = answers[0][0]
    assert answers == [(finished, 0, 0), (finished, 1, 0), (finished, 0, 1)]
    assert finished.output == b'e{"ok":1}'
