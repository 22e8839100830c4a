"""The theme of interviews: a person is asked, may stop and go on, and has what follows decided and sealed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bailiwick.decisions import Decided, Interviews, RawInput, Refused
from bailiwick.errors import InputRefused
from bailiwick.node.deciding import Deciding
from bailiwick.node.packs import Law
from bailiwick.packs import LEGAL_DATE, Conversation, Finished, Interview


@dataclass(slots=True, kw_only=True)
class Sitting:
    """An interview while somebody sits before it: its id, the law that it goes by, and the conversation.

    ``newer`` is the version of the pack that the tenant decides by today, where that is another than the interview's.
    """

    id: str
    law: Law
    talk: Conversation
    newer: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Give the step at hand as JSON, with the id to come back by."""
        told = {"interview": self.id, **self.talk.to_json()}
        return told if self.newer is None else {**told, "newer": self.newer}


class Interviewing(Deciding):
    """What a node asks people. Every method that ends in ``_interview`` takes and gives JSON-ready values."""

    def begin_sitting(self, tenant: str, pack: str, *, language: str | None = None) -> Sitting:
        """Begin an interview by the law that a name means today; its pack is kept, so that it can be gone on with.

        Raises:
            NotFound: no such pack.
            InputRefused: the pack asks nothing of people (code ``no-questions``).
            UsageRefused: the pack does not speak the language (code ``language``).
        """
        law = self.law(tenant, pack)
        interview = self._interview(tenant, law)
        talk = Conversation(interview, interview.begin(), language=language)
        return Sitting(id=Interviews.new_name(self._entropy), law=law, talk=talk)

    def resume_sitting(self, tenant: str, interview: str, *, language: str | None = None) -> Sitting:
        """Go on with an interview, by the very pack that it began with, even where a newer one is active.

        Raises:
            NotFound: no such interview, or its pack is not kept.
            UsageRefused: the pack does not speak the language (code ``language``).
        """
        session = self._interviews(tenant).load(interview)
        law = self.kept_law(tenant, session.pack, session.digest)
        talk = Conversation(self._interview(tenant, law), session, language=language)
        used = self.installer(tenant).in_use(session.pack)
        newer = None if used is None or used.digest == session.digest else used.version
        return Sitting(id=interview, law=law, talk=talk, newer=newer)

    def keep_sitting(self, tenant: str, sitting: Sitting) -> str:
        """Keep the answers durably, encrypted, and give the id to come back by.

        Raises:
            InputRefused: the interview was saved from elsewhere meanwhile (code ``interview-moved-on``).
        """
        with self._disk.lock(self._tenants / tenant / "interviews.lock"):
            sitting.talk.session = self._interviews(tenant).save(sitting.id, sitting.talk.session)
        return sitting.id

    def decide_sitting(self, tenant: str, sitting: Sitting) -> Decided | Refused:
        """Decide what the answers come to through the ordinary loop, and forget the session once that is sealed.

        The raw input is the answers that were used, as JSON.

        Raises:
            InputRefused: something is still asked (code ``interview-unfinished``).
        """
        now = sitting.talk.now()
        if not isinstance(now, Finished):
            raise InputRefused(
                f"{now.path} is still asked", hint="answer it or skip it first", code="interview-unfinished"
            )
        body = json.dumps(now.facts, ensure_ascii=False, sort_keys=True)
        given = sitting.talk.session.answers.get(LEGAL_DATE)
        loop = self.loop_by(tenant, sitting.law)
        raw = RawInput(media="json", body=body)
        (answer,) = loop.run([raw], legal_date=None if given is None else str(given), batch=1)
        if isinstance(answer, Decided):
            self.forget_interview(tenant, sitting.id)
        assert isinstance(answer, Decided | Refused)
        return answer

    # --- for a console ------------------------------------------------------------------------------------------------

    def begin_interview(
        self, tenant: str, pack: str, *, language: str | None = None, facts: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Begin an interview, with what is known already, and give its first step."""
        sitting = self.begin_sitting(tenant, pack, language=language)
        sitting.talk.merge(dict(facts or {}))
        self.keep_sitting(tenant, sitting)
        return sitting.to_json()

    def show_interview(self, tenant: str, interview: str, *, language: str | None = None) -> dict[str, Any]:
        """Give the step at which an interview stands."""
        return self.resume_sitting(tenant, interview, language=language).to_json()

    def answer_interview(
        self,
        tenant: str,
        interview: str,
        *,
        answers: Mapping[str, Any] | None = None,
        skip: str | None = None,
        language: str | None = None,
    ) -> dict[str, Any]:
        """Take answers by path, and what the person does not know, and give the next step; a blank one erases nothing.

        Raises:
            NotFound, InputRefused, SchemaViolated: one of them cannot be taken; none was.
        """
        sitting = self.resume_sitting(tenant, interview, language=language)
        talk = sitting.talk
        talk.session = talk.interview.merge(talk.session, answers or {})
        if skip is not None:
            talk.skip(skip)
        self.keep_sitting(tenant, sitting)
        return sitting.to_json()

    def review_interview(
        self, tenant: str, interview: str, path: str, *, language: str | None = None
    ) -> dict[str, Any]:
        """Give a question that was answered before, with the answer; ``answer_interview`` changes it."""
        sitting = self.resume_sitting(tenant, interview, language=language)
        sitting.talk.look_at(path)
        return sitting.to_json()

    def decide_interview(self, tenant: str, interview: str) -> dict[str, Any]:
        """Decide a finished interview, and give record, outcome and receipt, or the refusal."""
        return self.decide_sitting(tenant, self.resume_sitting(tenant, interview)).to_json()

    def forget_interview(self, tenant: str, interview: str) -> bool:
        """Destroy the answers of an interview so that nobody can read them again; say whether there were any."""
        with self._disk.lock(self._tenants / tenant / "interviews.lock"):
            return self._interviews(tenant).forget(interview)

    def _interview(self, tenant: str, law: Law) -> Interview:
        """Prepare an interview; its pack is kept, and the modules that its rules call are at hand."""
        return Interview(law.pack, self.loop_by(tenant, law).call_module)

    def _interviews(self, tenant: str) -> Interviews:
        self.ledger(tenant)
        return Interviews(tenant=tenant, blobs=self._blobs)
