"""What a person has said so far: a value that can be kept and gone on with, pinned to the very pack that asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bailiwick.errors import InputRefused
from bailiwick.model import JsonValue, check_digest

SESSION_FORMAT = "bailiwick-interview-session/1"

LEGAL_DATE = "legal_date"
"""The path of the question by the law of which day is judged, where no fact says it."""

ANSWERS_MAX = 2_000
"""Most answers of one session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The answers that a person gave to the questions of one pack.

    ``answers`` are values by path (``in.…``, or ``legal_date``), ``skipped`` the paths of which the person said "I do
    not know", ``order`` all of them in the order in which they were first answered. ``saves`` counts how often the
    session was kept.
    """

    pack: str
    version: str
    digest: str
    answers: Mapping[str, JsonValue] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    saves: int = 0

    def __post_init__(self) -> None:
        check_digest(self.digest)
        said = [*self.answers, *self.skipped]
        if LEGAL_DATE in self.skipped or sorted(said) != sorted(set(self.order)) or len(said) != len(self.order):
            raise InputRefused(
                "the session contradicts itself: each question is answered or skipped, and stands in the order once",
                hint="go on from the session as it was given",
                code="session-broken",
            )
        if len(self.order) > ANSWERS_MAX:
            raise InputRefused(
                f"the session holds {len(self.order)} answers; one holds at most {ANSWERS_MAX}",
                hint="send the facts to bailiwick decide instead",
                code="session-broken",
            )

    def with_answer(self, path: str, value: JsonValue) -> Session:
        """Give the session with one more answer, or a changed one; nothing else is lost."""
        return replace(
            self,
            answers={**self.answers, path: value},
            skipped=tuple(each for each in self.skipped if each != path),
            order=self.order if path in self.order else (*self.order, path),
        )

    def with_skip(self, path: str) -> Session:
        """Give the session in which the person does not know this; an answer that was given before is taken back."""
        return replace(
            self,
            answers={name: value for name, value in self.answers.items() if name != path},
            skipped=self.skipped if path in self.skipped else (*self.skipped, path),
            order=self.order if path in self.order else (*self.order, path),
        )

    def has(self, path: str) -> bool:
        """Say whether the question was answered or skipped."""
        return path in self.order

    def to_json(self) -> dict[str, Any]:
        """Give the session as JSON: personal data, to be kept encrypted."""
        return {
            "format": SESSION_FORMAT,
            "pack": {"name": self.pack, "version": self.version, "digest": self.digest},
            "answers": dict(self.answers),
            "skipped": list(self.skipped),
            "order": list(self.order),
            "saves": self.saves,
        }


def session_from(document: Any) -> Session:
    """Read a session back.

    Args:
        document: What the contract ``interview-session`` accepted.

    Raises:
        InputRefused: it contradicts itself (code ``session-broken``).
    """
    return Session(
        pack=document["pack"]["name"],
        version=document["pack"]["version"],
        digest=document["pack"]["digest"],
        answers=document["answers"],
        skipped=tuple(document["skipped"]),
        order=tuple(document["order"]),
        saves=document["saves"],
    )


def is_blank(value: Any) -> bool:
    """Say whether nothing was said: such an answer never takes the place of one that was given.

    >>> is_blank("  "), is_blank(0), is_blank(False)
    (True, False, False)
    """
    return value is None or (isinstance(value, str) and not value.strip()) or value in ([], {})
