"""What is printed keeps its shape, whatever it holds."""

from __future__ import annotations

import io
from dataclasses import dataclass, field

import pytest

from bailiwick.cli import screen
from bailiwick.errors import SchemaViolated, Violation


@dataclass
class Branch:
    """A line and what it rests on."""

    text: str
    branches: list = field(default_factory=list)


@pytest.mark.parametrize("character", ["\x00", "\x07", "\x1b", "\r", "\x7f", "\x9b", "\u202e", "\u2066"])
def test_a_control_character_is_shown_and_not_obeyed(character):
    """If it failed, text from outside could move the cursor or turn what is written around."""
    assert character not in screen.plain(f"a{character}b")


def test_ordinary_text_is_left_alone():
    """If it failed, names with accents or tabs between columns would be mangled."""
    assert screen.plain("Łódź\t§ 1904.39\n") == "Łódź\t§ 1904.39\n"


def test_a_tree_shows_what_rests_on_what():
    """If it failed, an explanation would be a list in which nobody sees which reason belongs to which rule."""
    drawn = screen.tree(Branch("top", [Branch("one", [Branch("deep")]), Branch("two")]))
    assert drawn.splitlines() == ["top", "├─ one", "│  └─ deep", "└─ two"]


def test_many_violations_are_cut_for_people_with_the_count_of_the_rest():
    """If it failed, one bad document would scroll the reason off the screen."""
    many = [Violation(path=f"/{n}", rule="type", message="is not text", value=str(n)) for n in range(50)]
    text = screen.error_text(SchemaViolated("broken", hint="mend it", violations=many))
    assert "and 30 more" in text
    assert text.count("is not text") == screen.VIOLATIONS_SHOWN


def test_progress_is_silent_where_nobody_watches(monkeypatch):
    """If it failed, logs would fill with bars."""
    watched = io.StringIO()
    monkeypatch.setattr("sys.stderr", watched)
    with screen.progress("working", 3) as advance:
        advance(3)
    assert watched.getvalue() == ""


@pytest.mark.parametrize("no_color", ["", "1"])
def test_progress_shows_rate_on_a_terminal_and_honours_no_color(monkeypatch, no_color):
    """If it failed, long work would look like a hang, or a terminal that asked for no colour would get some."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    watched = Terminal()
    monkeypatch.setattr("sys.stderr", watched)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", no_color)
    with screen.progress("working", 3) as advance:
        advance(1)
        advance(2)
    assert "working" in watched.getvalue()
    assert "3/3" in watched.getvalue()
    assert ("\x1b[3" not in watched.getvalue()) == bool(no_color)
