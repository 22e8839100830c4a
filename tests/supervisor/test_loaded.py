"""Slow starters get sandboxes in advance once they are called again, and leave none behind."""

from types import SimpleNamespace

import pytest

from bailiwick.errors import UsageRefused
from bailiwick.supervisor import loaded
from bailiwick.supervisor.loaded import SLOW_BYTES_MIN, STOCK_COUNT, Shelf


class Engine:
    """Notes what it is asked to keep ready and to release."""

    def __init__(self, *, is_full=False):
        self.is_full = is_full
        self.kept = []
        self.released = []

    def keep_ready(self, guest, budget, count):
        if self.is_full:
            raise UsageRefused("full", hint="release some", code="engine-stock")
        self.kept.append((guest, budget, count))

    def release(self, guest):
        self.released.append(guest)


def installed(name, manifest="sha256:1"):
    """Give what a shelf reads of an installed module."""
    return SimpleNamespace(name=name, manifest=manifest, engine="")


@pytest.fixture
def shelf_of(monkeypatch):
    def make(engine, *, form="component-call/1", size=SLOW_BYTES_MIN):
        monkeypatch.setattr(loaded, "kept_manifest", lambda *_: SimpleNamespace(budget="the tier's", variants=()))
        monkeypatch.setattr(loaded, "kept_binary", lambda *_: b"")
        monkeypatch.setattr(loaded, "admit", lambda *_: SimpleNamespace(form=form, size=size))
        return Shelf("local", None, engine)

    return make


def test_a_slow_starter_is_kept_ready_from_its_second_call_on(shelf_of):
    """Wrong if each call of a module with Python in it paid for its start, or a single call for stock nobody uses."""
    engine = Engine()
    shelf = shelf_of(engine)
    first = shelf.get(installed("slow"))
    assert engine.kept == []
    for _ in range(3):
        shelf.get(installed("slow"))
    assert engine.kept == [(first.guest, "the tier's", STOCK_COUNT)]


@pytest.mark.parametrize("parts", [{"form": "core-json/1"}, {"size": SLOW_BYTES_MIN - 1}])
def test_a_quick_starter_is_not(shelf_of, parts):
    """Wrong if memory were spent on what starts in microseconds."""
    engine = Engine()
    shelf = shelf_of(engine, **parts)
    shelf.get(installed("quick"))
    shelf.get(installed("quick"))
    assert engine.kept == []


def test_unloading_and_replacing_release_what_was_kept(shelf_of):
    """Wrong if sandboxes of a version that is gone held their memory for the life of the node."""
    engine = Engine()
    shelf = shelf_of(engine)
    first = shelf.get(installed("slow"))
    shelf.get(installed("slow"))
    second = shelf.get(installed("slow", manifest="sha256:2"))
    shelf.get(installed("slow", manifest="sha256:2"))
    assert shelf.drop("slow")
    assert not shelf.drop("slow")
    assert engine.released == [first.guest, second.guest]


def test_the_least_recently_called_is_released(shelf_of, monkeypatch):
    """Wrong if the bound on loaded modules were none on their sandboxes."""
    monkeypatch.setattr(loaded, "LOADED_MAX", 1)
    engine = Engine()
    shelf = shelf_of(engine)
    first = shelf.get(installed("first"))
    shelf.get(installed("first"))
    shelf.get(installed("second"))
    assert engine.released == [first.guest]
    assert shelf.names() == ["second"]


def test_a_full_stock_is_no_failure(shelf_of):
    """Wrong if the seventeenth slow module could not be called at all."""
    shelf = shelf_of(Engine(is_full=True))
    shelf.get(installed("slow"))
    assert shelf.get(installed("slow")).guest.size == SLOW_BYTES_MIN
