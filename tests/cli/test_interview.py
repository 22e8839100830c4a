"""`pack interview` at a terminal and in a pipe: answered, stopped, gone on with, decided."""

from __future__ import annotations

import io
import json
import shlex
import sys
from pathlib import Path

import pytest
import yaml

from bailiwick.cli.commands import COMMANDS
from bailiwick.errors import InputRefused
from bailiwick.node import Node
from bailiwick.settings import Settings

PACK = "us-mi-esta"
EXAMPLES = next(command.examples for command in COMMANDS if command.words == "pack interview")
LEAVE = {
    "pack.yaml": {
        "format": "bailiwick-pack/2",
        "id": "leave",
        "version": "1.0.0",
        "title": "Leave",
        "jurisdiction": "us-mi",
        "languages": ["en", "es"],
        "law": {"from": "2020-01-01", "cite": "ACT 1"},
        "outcomes": {"owed": "Leave is owed.", "none": "Nothing is owed.", "indeterminate": "Unknown."},
    },
    "sources.yaml": {
        "sources": [{"id": "act", "citation": "ACT 1", "title": "The act", "status": "in-force", "from": "2020-01-01"}]
    },
    "schemas/input.json": {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "is_employee": {
                "type": "boolean",
                "x-question": {"ask": "Is it an employee?", "why": "Others are owed nothing.", "help": "Ask payroll."},
            },
            "kind": {
                "enum": ["office", "field"],
                "x-question": {"ask": "Which work?", "options": {"office": "Indoors", "field": "Outdoors"}},
            },
            "hours": {"type": "integer", "minimum": 0, "x-question": {"ask": "How many hours?"}},
        },
    },
    "assumptions.yaml": {
        "assumptions": [
            {
                "id": "indoors",
                "text": "Work is indoors unless it is shown.",
                "cite": "ACT 1(2)",
                "when": "true",
                "input": "in.kind",
                "value": "'office'",
            }
        ]
    },
    "rules/measures.yaml": {
        "measures": [
            {"id": "enough", "type": "boolean", "expr": "in.hours >= 30", "cite": "ACT 1(1)", "say": "Enough."}
        ]
    },
    "rules/impacts.yaml": {
        "rows": [
            {
                "id": "owed",
                "when": "in.is_employee && in.kind == 'office' && m.enough",
                "outcome": "owed",
                "severity": "low",
                "say": "An hour is owed.",
                "cite": "ACT 1(1)",
                "obligations": [{"id": "pay", "text": "Pay it.", "within": "1440", "cite": "ACT 1(3)"}],
            },
            {"id": "none", "when": "true", "outcome": "none", "severity": "none", "say": "No.", "cite": "ACT 1"},
        ]
    },
    "tests/cases.yaml": {
        "cases": [
            {
                "name": "thirty hours",
                "legal_date": "2024-01-01",
                "input": {"is_employee": True, "hours": 30},
                "output": {"outcome": "owed"},
                "status": "direct",
            }
        ]
    },
    "languages/es.yaml": {
        "texts": {
            "question in.is_employee": "¿Es empleado?",
            "row owed": "Se debe una hora.",
            "outcome owed": "Se debe.",
        }
    },
}


def write(folder: Path, **changes: str) -> None:
    """Write the small pack into a folder of its name."""
    for path, content in LEAVE.items():
        file = folder / "leave" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        told = {**content, **changes} if path == "pack.yaml" else content
        text = json.dumps(told) if path.endswith(".json") else yaml.safe_dump(told, sort_keys=False, allow_unicode=True)
        file.write_text(text)


@pytest.fixture
def talk(cli, folder, monkeypatch):
    """Give a function that holds an interview: lines typed, then the words of the command."""
    assert cli("init").code == 0
    write(folder)

    def hold(*lines: str, pack: str = "leave", words: tuple[str, ...] = ()):
        monkeypatch.setattr(sys, "stdin", io.StringIO("".join(line + "\n" for line in lines)))
        return cli("pack", "interview", pack, *words)

    return hold


def steps(ran) -> list[dict]:
    """Give the steps that were printed, one a line."""
    return ran.lines


def test_answers_lead_to_outcome_reason_and_duty(talk):
    """Wrong if a person answered everything and was not told what follows."""
    ran = talk("2024-01-01", "yes", "Indoors", "30")
    assert ran.code == 0
    assert "owed: Leave is owed." in ran.out
    assert "reason: An hour is owed." in ran.out
    assert "must: Pay it, within 1440 minutes of learning of it [ACT 1(3)]" in ran.out
    assert ran.err.index("Is it an employee?") < ran.err.index("Which work?") < ran.err.index("How many hours?")


def test_a_decision_is_sealed_and_explained_and_the_session_is_gone(talk, cli):
    """Wrong if an interview's outcome could not be proved, or its answers were kept twice."""
    ran = talk("2024-01-01", "yes", "1", "30", "save", "decide", words=("--json",))
    assert ran.code == 0
    saved, sealed = steps(ran)[-2:]
    assert saved["saved"] is True
    assert sealed["outcome"] == "owed"
    told = cli("explain", str(sealed["record"]), "--json", "--language", "es").json
    assert told["facts"] == {"is_employee": True, "kind": "office", "hours": 30}
    assert told["impact"]["reason"] == "Se debe una hora."
    assert cli("replay", str(sealed["record"]), "--json").json["differing"] == []
    again = talk(words=("--resume", saved["interview"], "--json"))
    assert (again.code, json.loads(again.err)["error"]["code"]) == (4, "interview-not-found")


def test_only_the_answers_that_were_used_are_sealed(talk, cli):
    """Wrong if what no longer mattered about a person were sealed all the same."""
    ran = talk("2024-01-01", "yes", "office", "30", "back", "back", "back", "no", "unused", "decide", words=("--json",))
    sealed = steps(ran)[-1]
    assert sealed["outcome"] == "none"
    assert cli("explain", str(sealed["record"]), "--json").json["facts"] == {"is_employee": False}
    assert [each["path"] for each in steps(ran)[-2]["conclusion"]["unused"]] == ["in.kind", "in.hours"]


def test_the_end_of_the_input_saves_and_the_interview_goes_on(talk):
    """Wrong if a closed terminal cost a person all answers."""
    ran = talk("2024-01-01", "yes", words=("--json",))
    assert ran.code == 1
    name = steps(ran)[-1]["interview"]
    again = talk("office", "30", words=("--resume", name))
    assert again.code == 0
    assert "owed: Leave is owed." in again.out


def test_ctrl_c_saves(talk, monkeypatch, cli):
    """Wrong if a person who stops loses what was said."""

    class Stopped(io.StringIO):
        def readline(self, size: int = -1) -> str:
            line = super().readline(size)
            if not line:
                raise KeyboardInterrupt
            return line

    talk()
    monkeypatch.setattr(sys, "stdin", Stopped("2024-01-01\nyes\n"))
    ran = cli("pack", "interview", "leave", "--json")
    assert ran.code == 130
    assert steps(ran)[-1]["saved"] is True


def test_an_interview_goes_on_by_the_pack_that_it_began_with(talk, folder):
    """Wrong if answers to one law were judged by the next."""
    name = steps(talk("2024-01-01", "yes", words=("--json",)))[-1]["interview"]
    before = steps(talk(words=("--resume", name, "--json")))[0]["pack"]
    write(folder, version="2.0.0", title="Newer leave")
    after = steps(talk(words=("--resume", name, "--json")))[0]["pack"]
    assert after == before
    assert steps(talk(words=("--json",)))[0]["pack"]["version"] == "2.0.0"


def test_quit_keeps_nothing_that_was_not_saved(talk):
    """Wrong if a person who leaves had answers kept without having asked for it."""
    ran = talk("2024-01-01", "yes", "quit", words=("--json",))
    assert ran.code == 1
    assert all("saved" not in step for step in steps(ran))


def test_a_wrong_answer_is_said_at_once_and_asked_again(talk):
    """Wrong if a slip ended the interview, or was taken."""
    ran = talk("soon", "2024-01-01", "perhaps", "yes", "office", "-1", "many", "30")
    assert ran.code == 0
    assert "say yes or no" in ran.err
    assert "say a whole number" in ran.err
    assert "owed: Leave is owed." in ran.out


def test_why_and_help_say_which_rule_asks_and_what_is_taken_as_given(talk):
    """Wrong if a person could not learn what a question is for."""
    ran = talk("2024-01-01", "why", "?", "yes", "?", "skip", "why", "30")
    assert "Others are owed nothing." in ran.err
    assert "Ask payroll." in ran.err
    assert "if you do not know: Work is indoors unless it is shown." in ran.err
    assert "needed for measure enough: Enough. [ACT 1(1)]" in ran.err
    assert "assumed: Work is indoors unless it is shown. [ACT 1(2)]" in ran.out


def test_an_empty_line_keeps_what_was_said_before(talk):
    """Wrong if looking back at an answer could erase it."""
    ran = talk("2024-01-01", "yes", "back", "", "office", "30")
    assert ran.code == 0
    assert "you said yes; an empty line keeps it" in ran.err
    assert "owed: Leave is owed." in ran.out


def test_facts_that_are_known_already_are_not_asked(talk, folder):
    """Wrong if a person had to type what a file says."""
    (folder / "known.json").write_text('{"is_employee": true, "kind": "field"}')
    ran = talk("2024-01-01", words=("--answers", "known.json"))
    assert (ran.code, "none: Nothing is owed." in ran.out) == (0, True)
    (folder / "known.json").write_text('{"is_employe": true}')
    assert "question-not-found" in talk(words=("--answers", "known.json")).err
    (folder / "known.json").write_text("[]")
    assert "input-not-object" in talk(words=("--answers", "known.json")).err


def test_the_interview_speaks_the_languages_of_the_pack(talk):
    """Wrong if a person were asked in another language than the one they chose."""
    ran = talk("2024-01-01", "sí", "office", "30", "salir", words=("--language", "es"))
    assert "¿Es empleado?" in ran.err
    assert "owed: Se debe." in ran.out
    assert "razón: Se debe una hora." in ran.out
    wrong = talk(words=("--language", "fr"))
    assert (wrong.code, "en, es" in wrong.err) == (2, True)


@pytest.mark.parametrize("words", [("--resume", "x"), ("--resume", "0" * 32)])
def test_an_interview_that_is_not_there_is_not_found(talk, words):
    """Wrong if an id from outside named something else."""
    ran = talk(words=(*words, "--json"))
    assert (ran.code, json.loads(ran.err)["error"]["code"]) == (4, "interview-not-found")


def test_a_session_is_not_resumed_under_the_name_of_another_pack(talk):
    """Wrong if a person believed to be asked by another law."""
    name = steps(talk("2024-01-01", "yes", words=("--json",)))[-1]["interview"]
    ran = talk(pack=PACK, words=("--resume", name))
    assert (ran.code, "interview-pack" in ran.err) == (2, True)


def test_hostile_words_of_a_pack_do_not_drive_the_terminal(talk, folder):
    """Wrong if a pack's question could clear the screen of who answers it."""
    schema = folder / "leave" / "schemas" / "input.json"
    schema.write_text(schema.read_text().replace("Is it an employee?", "Is it\\u001b[2J an employee?"))
    assert "\x1b" not in talk("2024-01-01").err


def test_the_answers_lie_encrypted_on_disk(talk, folder):
    """Wrong if what a person told could be read from the disk."""
    (folder / "known.json").write_text('{"hours": 31415926}')
    assert talk("2024-01-01", words=("--answers", "known.json")).code == 1
    whole = b"".join(path.read_bytes() for path in (folder / ".bailiwick" / "tenants").rglob("*") if path.is_file())
    assert b"31415926" not in whole


def test_the_console_has_the_same_interview_as_json(cli, folder):
    """Wrong if a console could not ask what the terminal asks."""
    assert cli("init").code == 0
    write(folder)
    with Node.open(Settings.resolve(home=folder / ".bailiwick", environ={})) as node:
        step = node.begin_interview("local", str(folder / "leave"), facts={"is_employee": True})
        assert step["question"]["path"] == "legal_date"
        name = step["interview"]
        step = node.answer_interview("local", name, answers={"legal_date": "2024-01-01", "in.kind": ""})
        assert step["question"]["path"] == "in.kind"
        step = node.answer_interview("local", name, skip="in.kind")
        assert step["question"]["path"] == "in.hours"
        with pytest.raises(InputRefused) as caught:
            node.decide_interview("local", name)
        assert caught.value.code == "interview-unfinished"
        assert node.review_interview("local", name, "in.is_employee", language="es")["question"]["answer"] is True
        step = node.answer_interview("local", name, answers={"in.hours": 30})
        assert node.show_interview("local", name) == step
        assert step["conclusion"]["outcome"] == "owed"
        assert node.decide_interview("local", name)["outcome"] == "owed"
        assert not node.forget_interview("local", name)
        json.dumps(step)


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_examples_in_the_help_can_be_pasted(cli, folder, monkeypatch, example):
    """Wrong if the help showed a command line that does not work."""
    assert cli("init").code == 0
    (folder / "known.json").write_text("{}")
    monkeypatch.setattr(sys, "stdin", io.StringIO("quit\n"))
    ran = cli(*shlex.split(example))
    assert ran.code == 1, ran.err
    assert "{" in ran.out if "--json" in example else "\n" in ran.err
