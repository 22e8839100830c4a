"""One person's way through an interview: what is asked now, one step back, one answer changed. A terminal or a console
speaks through it; whoever keeps the session between two steps is somebody else."""

from __future__ import annotations

from typing import Any

from bailiwick.errors import InputRefused
from bailiwick.model import JsonValue
from bailiwick.packs.interview.interview import Asked, Finished, Interview
from bailiwick.packs.interview.session import Session
from bailiwick.packs.interview.telling import Teller
from bailiwick.packs.interview.typed import read_typed
from bailiwick.packs.telling.texts import texts_of


class Conversation:
    """An interview with its session, at one question."""

    def __init__(self, interview: Interview, session: Session, *, language: str | None = None) -> None:
        """Go on with a session.

        Args:
            interview: Of the very pack that the session is pinned to.
            session: What was said so far.
            language: One of the pack's; None is its own.

        Raises:
            InputRefused: the session is of another pack (code ``interview-pack``).
            UsageRefused: the pack does not speak the language (code ``language``).
        """
        if session.digest != interview.pack.digest:
            raise InputRefused(
                f"the session goes on with pack {session.pack} {session.digest}, not with {interview.pack.digest}",
                hint="resume it with the pack that was kept for it",
                code="interview-pack",
            )
        self.interview, self.session = interview, session
        self.language = texts_of(interview.pack, language).language
        self._teller = Teller(interview.pack, texts_of(interview.pack, language))
        self._at: str | None = None
        """The question that is looked at again, or None at the next one."""
        self._found: tuple[Session, str | None, Asked | Finished] | None = None
        """What was found for which session; it stays so until something is said."""

    def now(self) -> Asked | Finished:
        """Give what is asked now, or what follows."""
        if self._found is None or self._found[0] is not self.session or self._found[1] != self._at:
            at = self._at
            found = self.interview.next(self.session) if at is None else self.interview.look_again(self.session, at)
            self._found = (self.session, at, found)
        return self._found[2]

    def to_json(self) -> dict[str, Any]:
        """Give the step as JSON: ``question``, or ``conclusion`` where nothing more matters."""
        pack = self.interview.pack
        now = self.now()
        step: dict[str, Any] = {
            "pack": {"name": pack.name, "version": pack.version, "digest": pack.digest},
            "language": self.language,
        }
        if isinstance(now, Asked):
            return {**step, "state": "asking", "question": self._teller.question(now)}
        return {**step, "state": "finished", "conclusion": self._teller.conclusion(now)}

    # --- what a person does -------------------------------------------------------------------------------------------

    def say(self, text: str) -> None:
        """Take what was typed as the answer to what is asked now; nothing typed keeps what was said before.

        Raises:
            InputRefused, SchemaViolated: it cannot be the answer; nothing changed.
        """
        asked = self._asked()
        if not text.strip() and self._at is not None:
            self._at = None
            return
        options = self._teller.question(asked).get("options", ())
        self.answer(asked.path, read_typed(text, asked.askable, options))

    def answer(self, path: str, value: JsonValue) -> None:
        """Take an answer to a question, this one or another, and go on with the next that matters.

        Raises:
            NotFound, InputRefused, SchemaViolated: as ``Interview.answer``; nothing changed.
        """
        self.session = self.interview.answer(self.session, path, value)
        self._at = None

    def skip(self, path: str | None = None) -> None:
        """Take "I do not know" to what is asked now, or to ``path``.

        Raises:
            InputRefused: without it nothing can be decided (code ``answer-needed``).
        """
        self.session = self.interview.skip(self.session, path or self._asked().path)
        self._at = None

    def merge(self, facts: dict[str, Any]) -> None:
        """Take facts that are known already, as the pack's input has them; a blank one erases nothing.

        Raises:
            NotFound, SchemaViolated: one of them is no fact of the pack, or not what it asks for; none was taken.
        """
        self.session = self.interview.merge(self.session, self.interview.answers_in(facts))

    def back(self) -> bool:
        """Look again at what was answered before; say whether there was anything."""
        before = self.interview.before(self.session, self._at)
        if before is not None:
            self._at = before
        return before is not None

    def look_at(self, path: str) -> None:
        """Look again at one answer, to keep it or to change it.

        Raises:
            NotFound: it was not answered yet (code ``question-not-found``).
        """
        self.interview.look_again(self.session, path)
        self._at = path

    def unused(self) -> list[dict[str, str]]:
        """Name the answers that are kept and no longer matter, with their questions."""
        return [{"path": path, "ask": self._teller.ask(path)} for path in self.interview.unused(self.session)]

    def _asked(self) -> Asked:
        now = self.now()
        if isinstance(now, Finished):
            raise InputRefused(
                "nothing more is asked: what was answered decides it",
                hint="go back to change an answer, or have it decided",
                code="interview-finished",
            )
        return now
