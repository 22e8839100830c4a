"""What a pack says for people who answer: questions, their sections, and the readings among which a tenant chooses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """How a fact is asked for.

    ``pii`` is ``none``, ``personal`` or ``sensitive``. ``options`` are labels by the value's text as JSON has it
    (``true``, ``accrual``), in the order in which they are shown; a value without one is shown as it is.
    """

    path: str
    ask: str
    help: str | None
    why: str | None
    cite: tuple[str, ...]
    pii: str
    options: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Questions that are asked together, in order: their paths. Order and wording, no logic."""

    id: str
    title: str
    asks: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One way to read a disputed text. ``status`` is ``direct``, ``derived`` or ``disputed``."""

    id: str
    text: str
    cite: tuple[str, ...]
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A disputed question of law as a switch: the fact ``path`` holds the id of a reading, ``default`` if it is absent.

    It stands among the pack's assumptions as ``policy-<id>`` too.
    """

    id: str
    path: str
    title: str
    readings: tuple[Reading, ...]
    default: str

    @property
    def assumption(self) -> str:
        """The id of the assumption that stands for the absent fact."""
        return "policy-" + self.id

    def reading(self, name: str) -> Reading | None:
        """Give the reading of an id, or None where there is none."""
        return next((each for each in self.readings if each.id == name), None)
