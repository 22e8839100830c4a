"""A call on a home whose disk is full or whose ledger is broken: no answer leaves without its record."""

from __future__ import annotations

import errno
import sqlite3
from contextlib import closing
from dataclasses import dataclass

import pytest

from bailiwick.adapters.disk_system import SystemDisk
from bailiwick.errors import BailiwickError, LedgerBroken, Unavailable, Verdict
from bailiwick.node import Node
from bailiwick.settings import Settings
from bailiwick.supervisor.kept import kept_parts
from bailiwick.testing import FaultyDisk, fail
from tests.supervisor.conftest import AUTHOR, GREETING, TENANT, files_of, manifest_of

CHANGES_MAX = 40
"""More changes than one call asks of its disk."""


@dataclass
class World:
    """A disk that works until it is told to have no room after some more changes."""

    left: int | None = None

    def __call__(self, operation, path):
        """Fail where nothing is left."""
        if self.left is None:
            return
        self.left -= 1
        if self.left < 0:
            fail(errno.ENOSPC)(operation, path)


@pytest.fixture
def home(tmp_path):
    """Give a home with a module."""
    Node.init(tmp_path / "home", TENANT)
    with opened(tmp_path / "home") as node:
        registry = node.supervisor.registry(TENANT)
        registry.trust(AUTHOR.verifier.text(), node.actor(TENANT))
        registry.install(files_of(manifest_of(wasm=GREETING), GREETING), node.actor(TENANT))
    return tmp_path / "home"


def opened(home, world=None):
    """Open a home, on a disk that the world has a hand on."""
    disk = SystemDisk() if world is None else FaultyDisk(SystemDisk(), after=1, fault=world, stays=True)
    return Node.open(Settings.resolve(home=home, environ={}), disk=disk)


def greet(node):
    """Call the module and give the index of the record."""
    return node.supervisor.call(TENANT, "greeter", "greet", b'{"name":"Ada"}', node.actor(TENANT)).receipt.index


def kept_count(home):
    """Count what is kept for calls."""
    with closing(sqlite3.connect(home / "tenants" / TENANT / "blobs.db")) as database:
        return database.execute("SELECT count(*) FROM subjects WHERE name LIKE 'call/%'").fetchone()[0]


def check(home, answered):
    """Everything that was answered is recorded and can be run again; the ledger verifies."""
    with opened(home) as node:
        ledger = node.ledger(TENANT)
        assert ledger.verify().verdict is Verdict.OK
        for index in answered:
            assert kept_parts(TENANT, node._blobs, ledger.read(index))[0]["input"] == {"name": "Ada"}
            assert node.supervisor.replay(TENANT, index).differing == ()
        return greet(node)


def test_wherever_the_disk_fills_up_an_answer_has_its_record(home):
    """Wrong if a program could act on an answer that nobody can find again, after any of the changes of a call."""
    answered, refused = [], 0
    for room in range(CHANGES_MAX):
        world = World()
        with opened(home, world) as node:
            answered.append(greet(node))
            world.left = room
            try:
                answered.append(greet(node))
            except BailiwickError as error:
                assert error.exit_code == Unavailable.exit_code  # noqa: PT017 either is right, without room
                refused += 1
            used = room - (world.left or 0)
            world.left = None
        if used < room:
            break
    assert refused >= 2, "the disk was never full"
    assert room < CHANGES_MAX - 1, "no call came to its end"
    check(home, answered)


def test_a_ledger_that_failed_once_answers_no_call_until_it_was_opened_again(home):
    """Wrong if a ledger that does not know what it wrote took a further record, or an answer left without one."""
    world = World()
    with opened(home, world) as node:
        first = greet(node)
        size = node.ledger(TENANT).size()
        world.left = 1
        with pytest.raises(BailiwickError):
            greet(node)
        world.left = None
        assert node.ledger(TENANT).size() == size
        kept = kept_count(home)
        with pytest.raises(Unavailable, match="takes no more records"):
            greet(node)
        assert kept_count(home) == kept, "an input was kept that no record can name"
    assert check(home, [first]) > first


def test_blobs_that_cannot_be_kept_leave_no_record_and_no_answer(home, monkeypatch):
    """Wrong if a record named an input that is not there."""
    with opened(home) as node:
        size = node.ledger(TENANT).size()

        def full(*_):
            raise Unavailable("the disk is full", hint="make room", code="blob-store-failed")

        node.supervisor.load(TENANT, "greeter")
        monkeypatch.setattr(node._blobs, "put_many", full)
        with pytest.raises(Unavailable) as caught:
            greet(node)
        assert (caught.value.code, node.ledger(TENANT).size()) == ("blob-store-failed", size)
    check(home, [])


def test_a_ledger_open_for_reading_alone_answers_no_call(home):
    """Wrong if a broken ledger let modules run as if nothing were wrong."""
    with opened(home) as node:
        greet(node)
    (records,) = home.rglob("000000000000.jsonl")
    raw = bytearray(records.read_bytes())
    raw[raw.rindex(b"module.called")] ^= 1
    records.write_bytes(raw)
    with opened(home) as node:
        assert isinstance(node.ledger(TENANT).failure, LedgerBroken)
        kept = kept_count(home)
        with pytest.raises(LedgerBroken):
            greet(node)
    assert kept_count(home) == kept, "an input was kept that no record can name"
    assert records.read_bytes() == raw
