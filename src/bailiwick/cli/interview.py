"""`bailiwick pack interview`: one question at a time, line by line, at a terminal or from a pipe."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bailiwick.cli import screen
from bailiwick.cli.interview_words import COMMANDS, words_of
from bailiwick.cli.options import TenantOptions, open_node
from bailiwick.cli.text_input import read_text_input
from bailiwick.errors import InputRefused, NotFound, UsageRefused

if TYPE_CHECKING:
    from bailiwick.node import Node, Sitting

LINE_CHARACTERS_MAX = 20_000
"""Longest line that is read."""
INTERRUPTED = 130
UNFINISHED = 1


def interview(
    pack: str,
    /,
    *,
    language: str | None = None,
    resume: str | None = None,
    answers: Path | None = None,
    options: TenantOptions = TenantOptions(),
) -> int:
    """Answer a pack's questions, one at a time, and get the outcome, the reason and the duties.

    Only what still matters is asked. Type back, why, ?, skip, save or quit instead of an answer; decide, at the end,
    has the outcome sealed in the ledger. The end of the input and Ctrl-C save what was said: go on with --resume.
    Exits 0 when nothing more is asked, else 1.

    Args:
        pack: Name of a pack with questions, or a folder with one.
        language: One of the pack's languages, such as es; its own where none is given.
        resume: Id of an interview that was saved; it goes on with the very pack that it began with.
        answers: File of facts that are known already, as one JSON object.
    """
    with open_node(options) as (node, tenant):
        if resume is None:
            sitting = node.begin_sitting(tenant, pack, language=language)
        else:
            sitting = node.resume_sitting(tenant, resume, language=language)
            _check_same(pack, sitting)
        if answers is not None:
            sitting.talk.merge(_facts(answers))
        return _Terminal(node, tenant, sitting, as_json=options.json).hold()


def _check_same(pack: str, sitting: Sitting) -> None:
    began_with = sitting.law.pack.name
    if pack not in (began_with, str(Path(pack).parent / began_with)):
        raise UsageRefused(
            f"interview {sitting.id} asks for pack {began_with}, not for {pack[:80]}",
            hint=f"bailiwick pack interview {began_with} --resume {sitting.id}",
            code="interview-pack",
        )


def _facts(file: Path) -> dict[str, Any]:
    from bailiwick.schema import parse_document

    facts = parse_document(read_text_input(f"@{file}"))
    if not isinstance(facts, dict):
        raise InputRefused(
            f"{file} is no JSON object",
            hint="wrap the facts in { }, as the pack's input has them",
            code="input-not-object",
        )
    return facts


class _Terminal:
    """One interview at the terminal: questions as talk, the conclusion as result; with ``--json`` a line a step."""

    def __init__(self, node: Node, tenant: str, sitting: Sitting, *, as_json: bool) -> None:
        self._node, self._tenant, self._sitting, self._as_json = node, tenant, sitting, as_json
        self._talk = sitting.talk
        self._words = words_of(sitting.talk.language)
        self._is_left = False
        self._code = UNFINISHED

    def hold(self) -> int:
        """Ask until nothing more is asked or nobody answers."""
        if self._sitting.newer is not None:
            law = self._sitting.law.pack
            self._say("newer", newer=self._sitting.newer, pack=law.name, version=law.version)
        self._say("begin")
        try:
            while not self._is_left:
                self._step()
        except KeyboardInterrupt:
            self._keep()
            return INTERRUPTED
        return self._code

    def _step(self) -> None:
        step = self._sitting.to_json()
        is_finished = step["state"] == "finished"
        self._code = 0 if is_finished else UNFINISHED
        if self._as_json:
            print(json.dumps(step), flush=True)
        elif is_finished:
            print(screen.plain(self._conclusion(step["conclusion"])), flush=True)
            self._say("next")
        else:
            self._ask(step["question"])
        self._answer(step)

    def _answer(self, step: Mapping[str, Any]) -> None:
        """Read lines until one of them leads on."""
        while True:
            line = sys.stdin.readline(LINE_CHARACTERS_MAX)
            if not line:
                self._keep()
                self._is_left = True
                return
            text = line.strip()
            try:
                if self._obey(text, step) if text.casefold() in COMMANDS else self._take(text, step):
                    return
            except (InputRefused, NotFound) as error:
                screen.give_error(error, as_json=self._as_json)

    def _take(self, text: str, step: Mapping[str, Any]) -> bool:
        if step["state"] == "finished":
            self._say("next")
            return False
        if not text and not self._is_looked_at_again(step):
            return False
        self._talk.say(text.removeprefix("="))
        return True

    @staticmethod
    def _is_looked_at_again(step: Mapping[str, Any]) -> bool:
        return "answer" in step["question"] or "skipped" in step["question"]

    def _obey(self, text: str, step: Mapping[str, Any]) -> bool:
        """Do what a word asks for, and say whether that leads to another step."""
        word = COMMANDS[text.casefold()]
        if word in ("back", "skip"):
            return self._move(word)
        if word == "decide":
            return self._decide()
        if word == "quit":
            self._say("left")
            self._is_left = True
            return True
        if word == "save":
            self._keep()
        elif word == "unused":
            self._say_unused()
        else:
            self._tell(word, step.get("question"))
        return False

    def _move(self, word: str) -> bool:
        if word == "skip":
            self._talk.skip()
            return True
        if not self._talk.back():
            self._say("no-back")
            return False
        return True

    def _decide(self) -> bool:
        answer = self._node.decide_sitting(self._tenant, self._sitting).to_json()
        if "error" in answer:
            print(json.dumps(answer) if self._as_json else screen.plain(answer["error"]["message"]), flush=True)
            return False
        if self._as_json:
            print(json.dumps(answer), flush=True)
        else:
            print(screen.plain(f"record {answer['record']:<5}{answer['outcome']}"), flush=True)
            self._say("sealed", record=answer["record"])
        self._is_left = True
        return True

    def _keep(self) -> None:
        """Save, unless nothing was said."""
        if not self._talk.session.order:
            return
        self._node.keep_sitting(self._tenant, self._sitting)
        if self._as_json:
            print(json.dumps({"interview": self._sitting.id, "saved": True}), flush=True)
        self._say("kept", id=self._sitting.id, pack=self._sitting.law.pack.name)

    # --- words --------------------------------------------------------------------------------------------------------

    def _say(self, key: str, **values: object) -> None:
        if not self._as_json:
            screen.say(self._words[key].format(**values))

    def _ask(self, question: Mapping[str, Any]) -> None:
        progress = question["progress"]
        section = f"{question['section']['title']}: " if "section" in question else ""
        range_ = "one" if progress["most"] == 1 else "progress"
        screen.say(f"\n{section}{self._words[range_].format(**progress)}")
        screen.say(question["ask"])
        for number, option in enumerate(question.get("options", ()), start=1):
            screen.say(f"  {number} {option['label']}")
        screen.say(f"  ({self._kind(question)})")
        if "answer" in question:
            self._say("was", answer=self._said(question["answer"]))
        elif "skipped" in question:
            self._say("was-skipped")

    def _kind(self, question: Mapping[str, Any]) -> str:
        if question["type"].endswith("s"):
            return self._words["list"]
        if question.get("bounds", {}).get("format") == "date" or question["path"] == "legal_date":
            return self._words["date"]
        if "options" in question:
            return self._words["options"]
        unit = f", {question['unit']['text']}" if "unit" in question else ""
        return self._words[question["type"]] + unit

    def _tell(self, word: str, question: Mapping[str, Any] | None) -> None:
        """Say why a question is asked, or what helps to answer it."""
        if self._as_json:
            return
        if question is None:
            self._say("next")
        elif word == "why":
            for line in self._reasons(question):
                screen.say(line)
        else:
            known = [each["text"] for each in question["if_unknown"]]
            lines = [question["help"]] if "help" in question else []
            lines += [self._words["if-unknown"].format(text=text) for text in known]
            screen.say("\n".join(lines or [self._words["no-more-help"]]))

    def _reasons(self, question: Mapping[str, Any]) -> list[str]:
        lines = [self._words["why"].format(text=question["why"])] if "why" in question else []
        lines += [f"  [{cite}]" for cite in question["cite"]]
        if not question["needed_by"] and not lines:
            lines.append(self._words["because"])
        for each in question["needed_by"]:
            text = f": {each['text']}" if each["text"] else ""
            cites = f" [{'; '.join(each['cite'])}]" if each["cite"] else ""
            lines.append(f"  {self._words['for'].format(kind=each['kind'], rule=each['rule'])}{text}{cites}")
        return lines

    def _conclusion(self, told: Mapping[str, Any]) -> str:
        lines = [f"\n{told['outcome']}: {told['outcome_text']}", self._words["legal"].format(day=told["legal_date"])]
        lines.append(f"{self._words['reason']}: {told['reason']}")
        lines += [f"{self._words['must']}: {self._duty(each)}" for each in told["obligations"]]
        for each in told["assumptions"]:
            lines.append(f"{self._words['assumed']}: {each['text']} [{'; '.join(each['cite'])}]")
        for each in told["policies"]:
            word = self._words["disputed" if each["status"] == "disputed" else "reading"]
            lines.append(f"{word}: {each['title']}: {each['text']} [{'; '.join(each['cite'])}]")
        lines += [f"{self._words['unused']}: {each['ask']}" for each in told["unused"]]
        lines += [f"{self._words['breaks']}: {each['path']}: {each['message']}" for each in told["violations"]]
        return "\n".join(lines)

    def _duty(self, duty: Mapping[str, Any]) -> str:
        within = duty["within_minutes"]
        deadline = "" if within is None else ", " + self._words["within"].format(minutes=within)
        due = "" if duty["due_at"] is None else ", " + self._words["by"].format(moment=duty["due_at"])
        return f"{duty['text'].rstrip('.')}{deadline}{due} [{duty['cite']}]"

    def _say_unused(self) -> None:
        unused = self._talk.unused()
        if not unused:
            self._say("no-unused")
        for each in unused:
            screen.say(f"{self._words['unused']}: {each['ask']}")

    def _said(self, value: Any) -> str:
        if isinstance(value, bool):
            return self._words["yes" if value else "no"]
        return ", ".join(map(self._said, value)) if isinstance(value, list) else str(value)
