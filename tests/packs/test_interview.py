"""Interviews: what is asked, in which order and words, what an answer may be, and how a person changes one."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import yaml

from bailiwick.adapters.packsource_builtin import builtin_packs
from bailiwick.errors import InputRefused, NotFound, SchemaViolated, UsageRefused
from bailiwick.packs import (
    LEGAL_DATE,
    Asked,
    Conversation,
    Finished,
    Interview,
    Pack,
    Session,
    Teller,
    load_pack,
    read_typed,
    session_from,
)
from bailiwick.packs.telling.texts import texts_of
from tests.packs.conftest import SMALL

SCHEMA: dict[str, Any] = json.loads(SMALL["schemas/input.json"])
ASKS = {
    "worked_minutes": {
        "ask": "How long was worked?",
        "help": "Count breaks out.",
        "why": "Time is earned by it.",
        "cite": "ACT 1(2)",
    },
    "used_minutes": {"ask": "How much was used?"},
    "is_exempt": {"ask": "Is the person exempt?", "pii": "personal"},
    "kind": {"ask": "What kind of work is it?", "options": {"field": "Outdoors", "office": "Indoors"}},
    "headcount": {"ask": "How many people work there?"},
    "known_at": {"ask": "When was it known?"},
}
LANGUAGE = {
    "question in.kind": "¿Qué trabajo es?",
    "help in.worked_minutes": "Sin las pausas.",
    "outcome capped": "Pagado hasta el tope.",
    "row capped": "Se ganó más de lo que se puede usar.",
    "obligation capped/tell": "Avise al empleado.",
    "assumption covered": "Nadie está exento si no se muestra.",
    "section work": "El trabajo",
}


def files(**changes: Any) -> dict[str, bytes]:
    """Give the small pack with questions, and with some files replaced."""
    schema = json.loads(json.dumps(SCHEMA))
    for name, question in ASKS.items():
        schema["properties"][name]["x-question"] = question
    manifest = SMALL["pack.yaml"].replace("bailiwick-pack/1", "bailiwick-pack/2") + "languages: [en, es]\n"
    whole: dict[str, Any] = {
        **SMALL,
        "pack.yaml": manifest,
        "schemas/input.json": json.dumps(schema),
        "interview/order.yaml": yaml.safe_dump(
            {"sections": [{"id": "work", "title": "Work", "asks": ["in.kind", "in.worked_minutes"]}]}
        ),
        "languages/es.yaml": yaml.safe_dump({"texts": LANGUAGE}, allow_unicode=True),
        **changes,
    }
    return {path: text.encode() for path, text in whole.items()}


@pytest.fixture(scope="module")
def pack() -> Pack:
    """Give the small pack with questions."""
    return load_pack("sick-pay", files())


@pytest.fixture
def interview(pack: Pack) -> Interview:
    """Give an interview by the small pack."""
    return Interview(pack)


@pytest.fixture
def begun(interview: Interview) -> Session:
    """Give a session in which the day is known."""
    return interview.answer(interview.begin(), LEGAL_DATE, "2022-01-01")


def asked(interview: Interview, session: Session) -> str:
    """Give the path that is asked for next."""
    now = interview.next(session)
    assert isinstance(now, Asked)
    return now.path


def finished(interview: Interview, session: Session) -> Finished:
    """Give the end of an interview that is at its end."""
    now = interview.next(session)
    assert isinstance(now, Finished), getattr(now, "path", "")
    return now


def through(interview: Interview, session: Session, **facts: Any) -> Session:
    """Answer what is asked, from facts; the rest is not known."""
    while isinstance(now := interview.next(session), Asked):
        name = now.path.removeprefix("in.")
        known = name in facts
        session = interview.answer(session, now.path, facts[name]) if known else interview.skip(session, now.path)
    return session


# --- what is asked ----------------------------------------------------------------------------------------------------


def test_the_day_of_the_law_comes_first_and_cannot_be_left_out(interview: Interview):
    """Wrong if rules were judged before it was known by the law of which day."""
    assert asked(interview, interview.begin()) == LEGAL_DATE
    with pytest.raises(InputRefused) as caught:
        interview.skip(interview.begin(), LEGAL_DATE)
    assert caught.value.code == "answer-needed"


def test_a_date_among_the_facts_is_asked_for_instead(pack: Pack):
    """Wrong if a person were asked twice for one day."""
    schema = json.loads(files()["schemas/input.json"])
    schema["properties"]["day"]["x-question"] = {"ask": "Which day?"}
    interview = Interview(load_pack("sick-pay", files(**{"schemas/input.json": json.dumps(schema)})))
    assert asked(interview, interview.begin()) == "in.day"
    session = interview.skip(interview.begin(), "in.day")
    assert asked(interview, session) == LEGAL_DATE
    session = interview.answer(interview.begin(), "in.day", "2022-01-01")
    assert asked(interview, session) != LEGAL_DATE


def test_only_what_still_matters_is_asked(interview: Interview, begun: Session):
    """Wrong if an exempt person were asked how long they worked."""
    session = interview.answer(begun, "in.is_exempt", True)
    end = finished(interview, session)
    assert end.decision.impact.outcome == "none"
    assert end.facts == {"is_exempt": True}


def test_an_assumption_gives_way_to_a_question_and_applies_where_nobody_knows(interview: Interview, begun: Session):
    """Wrong if the pack presumed what the person could have said."""
    told = Teller(interview.pack, texts_of(interview.pack, None))
    now = interview.next(begun)
    assert isinstance(now, Asked)
    assert now.path == "in.is_exempt"
    assert [each["id"] for each in told.question(now)["if_unknown"]] == ["covered"]
    end = finished(interview, through(interview, begun, kind="office", worked_minutes=1800, headcount=5))
    assert {each.rule for each in end.decision.trace if each.kind == "assumption" and each.value is True} >= {"covered"}


def test_an_assumption_that_may_yet_apply_keeps_a_later_one_back():
    """Wrong if the second presumption were acted on while the answer to the first one's condition was to come."""
    schema = json.loads(files()["schemas/input.json"])
    del schema["properties"]["is_exempt"]["x-question"]
    first = {
        "id": "field-exempt",
        "text": "So.",
        "cite": "ACT 1(1)",
        "when": "has(in.kind)",
        "input": "in.is_exempt",
        "value": "true",
    }
    second = {
        "id": "covered",
        "text": "So.",
        "cite": "ACT 1(1)",
        "when": "true",
        "input": "in.is_exempt",
        "value": "false",
    }
    impacts = {
        "rows": [
            {
                "id": "exempt",
                "when": "in.is_exempt",
                "outcome": "none",
                "severity": "none",
                "say": "Exempt.",
                "cite": "ACT 1(1)",
            },
            {
                "id": "other",
                "when": "true",
                "outcome": "entitled",
                "severity": "low",
                "say": "Paid.",
                "cite": "ACT 1(2)",
            },
        ]
    }
    changes = {
        "schemas/input.json": json.dumps(schema),
        "assumptions.yaml": yaml.safe_dump({"assumptions": [first, second]}),
        "rules/impacts.yaml": yaml.safe_dump(impacts),
        "rules/effects.yaml": yaml.safe_dump(
            {"effects": [{"id": "x", "type": "x", "outcomes": ["capped"], "cite": "ACT 1(6)"}]}
        ),
        "languages/es.yaml": yaml.safe_dump({"texts": {"title": "Paga"}}),
    }
    interview = Interview(load_pack("sick-pay", files(**changes)))
    begun = interview.answer(interview.begin(), LEGAL_DATE, "2022-01-01")
    assert asked(interview, begun) == "in.kind"
    assert finished(interview, interview.skip(begun, "in.kind")).decision.impact.outcome == "entitled"
    assert finished(interview, interview.answer(begun, "in.kind", "field")).decision.impact.outcome == "none"


def test_the_moment_of_knowing_is_asked_for_where_there_is_a_duty(interview: Interview, begun: Session):
    """Wrong if a person learned of a duty and not of its deadline."""
    session = through(
        interview, begun, kind="office", worked_minutes=200_000, used_minutes=0, is_exempt=False, headcount=5
    )
    assert session.skipped[-1] == "in.known_at"
    session = interview.answer(session, "in.known_at", "2022-01-01T00:00:00Z")
    (duty,) = finished(interview, session).decision.impact.obligations
    assert duty.due_at == "2022-01-01T01:00:00.000000000Z"


def test_what_only_an_effect_needs_is_asked_too(interview: Interview, begun: Session):
    """Wrong if an act in the world rested on less than it asks for."""
    session = through(
        interview, begun, kind="office", worked_minutes=200_000, used_minutes=0, is_exempt=False, headcount=50
    )
    assert session.answers["in.headcount"] == 50
    assert [each.type for each in finished(interview, session).decision.effects] == ["send-letter"]


def test_sections_give_the_order(interview: Interview, begun: Session):
    """Wrong if questions came as the schema happens to have them."""
    assert interview.catalogue.order[:2] == ("in.kind", "in.worked_minutes")
    session = interview.answer(begun, "in.is_exempt", False)
    assert asked(interview, session) == "in.worked_minutes"


def test_required_facts_come_first():
    """Wrong if somebody went through everything and then could not be decided."""
    schema = json.loads(files()["schemas/input.json"])
    schema["required"] = ["headcount"]
    schema["properties"]["employer"] |= {"required": ["name"]}
    schema["properties"]["employer"]["properties"]["name"]["x-question"] = {"ask": "Name?"}
    case = SMALL["tests/cases.yaml"]
    interview = Interview(
        load_pack("sick-pay", files(**{"schemas/input.json": json.dumps(schema), "tests/cases.yaml": case}))
    )
    begun = interview.answer(interview.begin(), LEGAL_DATE, "2022-01-01")
    now = interview.next(begun)
    assert isinstance(now, Asked)
    assert (now.path, now.is_required) == ("in.headcount", True)
    with pytest.raises(InputRefused, match="is needed"):
        interview.skip(begun, "in.headcount")
    assert not interview.catalogue.fields["in.employer.name"].is_required({})
    assert interview.catalogue.fields["in.employer.name"].is_required({"employer": {}})


def test_a_pack_without_questions_holds_no_interview():
    """Wrong if a person were asked nothing and told an outcome."""
    with pytest.raises(InputRefused) as caught:
        Interview(load_pack("sick-pay", {path: text.encode() for path, text in SMALL.items()}))
    assert caught.value.code == "no-questions"


def test_law_that_does_not_know_the_day_asks_nothing_more(interview: Interview):
    """Wrong if a person were asked twenty questions by a law that was not in force."""
    session = interview.answer(interview.begin(), LEGAL_DATE, "1999-01-01")
    end = finished(interview, session)
    assert end.decision.impact.outcome == "indeterminate"
    assert end.decision.impact.reason.startswith("law-not-yet")


# --- answers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("in.worked_minutes", "many"),
        ("in.kind", "sea"),
        ("in.is_exempt", 1),
        ("in.day", "2022-02-30"),
        (LEGAL_DATE, "soon"),
        ("in.tags", [1]),
    ],
)
def test_an_answer_of_the_wrong_kind_is_refused_at_once(interview: Interview, begun: Session, path: str, value: Any):
    """Wrong if a person learned at the end that the third answer was none."""
    with pytest.raises(SchemaViolated):
        interview.answer(begun, path, value)


@pytest.mark.parametrize("value", [None, "", "   ", [], {}])
def test_a_blank_answer_erases_nothing(interview: Interview, begun: Session, value: Any):
    """Wrong if saving an empty form destroyed what was said before."""
    session = interview.answer(begun, "in.kind", "field")
    assert interview.merge(session, {"in.kind": value}).answers["in.kind"] == "field"
    with pytest.raises(InputRefused) as caught:
        interview.answer(session, "in.kind", value)
    assert caught.value.code == "answer-blank"


def test_of_several_answers_all_are_taken_or_none(interview: Interview, begun: Session):
    """Wrong if a form with one fault were kept by half."""
    with pytest.raises(SchemaViolated):
        interview.merge(begun, {"in.kind": "field", "in.headcount": "ten"})
    assert interview.merge(begun, {"in.kind": "field"}).answers["in.kind"] == "field"
    assert "in.kind" not in begun.answers


@pytest.mark.parametrize("path", ["in.nobody", "p.cap_minutes", "in", "", "in.employer"])
def test_what_is_no_fact_of_the_pack_is_refused(interview: Interview, begun: Session, path: str):
    """Wrong if a misspelt fact were kept and never looked at."""
    with pytest.raises(NotFound) as caught:
        interview.answer(begun, path, 1)
    assert caught.value.code == "question-not-found"


def test_facts_that_are_known_already_are_taken_and_a_misspelt_one_is_refused(interview: Interview, begun: Session):
    """Wrong if a file of facts were read in part and in silence."""
    facts = {"kind": "field", "employer": {"name": "Ada's"}, "tags": ["a"], "headcount": None}
    assert interview.answers_in(facts) == {"in.kind": "field", "in.employer.name": "Ada's", "in.tags": ["a"]}
    with pytest.raises(NotFound, match=r"in\.head_count"):
        interview.answers_in({"head_count": 5})


def test_a_changed_answer_keeps_the_others_and_says_which_no_longer_matter(interview: Interview, begun: Session):
    """Wrong if going back lost answers, or used ones that no longer count."""
    session = through(interview, begun, kind="field", worked_minutes=1800, used_minutes=0, is_exempt=False, headcount=5)
    changed = interview.answer(session, "in.is_exempt", True)
    end = finished(interview, changed)
    assert end.decision.impact.outcome == "none"
    assert set(end.unused) == {"in.worked_minutes", "in.used_minutes"} & set(changed.answers)
    assert end.facts == {"is_exempt": True}
    again = interview.answer(changed, "in.is_exempt", False)
    assert finished(interview, again).facts == finished(interview, session).facts
    assert again.answers == session.answers


def test_back_goes_through_the_answers_that_were_used_newest_first(interview: Interview, begun: Session):
    """Wrong if a person could not reach the answer before the last."""
    session = interview.answer(begun, "in.is_exempt", False)
    session = interview.answer(session, "in.worked_minutes", 1800)
    assert interview.before(session, None) == "in.worked_minutes"
    assert interview.before(session, "in.worked_minutes") == "in.is_exempt"
    assert interview.before(session, LEGAL_DATE) is None
    assert interview.look_again(session, "in.is_exempt").answer is False


# --- sessions ---------------------------------------------------------------------------------------------------------


def test_a_session_comes_back_from_its_json(interview: Interview, begun: Session):
    """Wrong if a saved interview went on with other answers."""
    session = interview.skip(interview.answer(begun, "in.kind", "field"), "in.headcount")
    assert session_from(json.loads(json.dumps(session.to_json()))) == session


@pytest.mark.parametrize(
    "change",
    [{"order": ("in.a",)}, {"order": ()}, {"skipped": ("in.kind",)}, {"order": (LEGAL_DATE, LEGAL_DATE, "in.kind")}],
)
def test_a_session_that_contradicts_itself_is_refused(interview: Interview, begun: Session, change: dict[str, Any]):
    """Wrong if an answer could be given and skipped at once."""
    session = interview.answer(begun, "in.kind", "field")
    with pytest.raises(InputRefused) as caught:
        replace(session, **change)
    assert caught.value.code == "session-broken"


def test_a_session_goes_on_only_with_the_pack_that_asked(pack: Pack, interview: Interview, begun: Session):
    """Wrong if answers to one law were read by another."""
    other = Interview(load_pack("sick-pay", files(**{"README.md": "Another.\n"})))
    with pytest.raises(InputRefused) as caught:
        Conversation(other, begun)
    assert caught.value.code == "interview-pack"


# --- words ------------------------------------------------------------------------------------------------------------


def test_a_question_comes_with_why_help_options_and_what_waits_for_it(pack: Pack, interview: Interview, begun: Session):
    """Wrong if a person had to answer without knowing what for."""
    session = interview.answer(begun, "in.is_exempt", False)
    now = interview.next(session)
    assert isinstance(now, Asked)
    told = Teller(pack, texts_of(pack, None)).question(now)
    assert (told["ask"], told["help"], told["why"]) == (
        "How long was worked?",
        "Count breaks out.",
        "Time is earned by it.",
    )
    assert (told["cite"], told["unit"]["id"], told["type"]) == (["ACT 1(2)"], "minute", "integer")
    assert [each["rule"] for each in told["needed_by"]] == ["earned", "open", "is_capped", "capped"]
    assert told["needed_by"][-1]["text"] == "More was earned than may be used."
    assert told["section"] == {"id": "work", "title": "Work"}


def test_a_question_is_put_in_the_language_asked_for(pack: Pack, interview: Interview, begun: Session):
    """Wrong if a person were asked in a language that the pack does not need to be asked in."""
    now = interview.look_again(interview.answer(begun, "in.kind", "field"), "in.kind")
    told = Teller(pack, texts_of(pack, "es")).question(now)
    assert told["ask"] == "¿Qué trabajo es?"
    assert [each["label"] for each in told["options"]] == ["Outdoors", "Indoors"]
    assert told["section"]["title"] == "El trabajo"
    session = through(interview, begun, kind="office", worked_minutes=200_000, used_minutes=0, headcount=5)
    end = Teller(pack, texts_of(pack, "es")).conclusion(finished(interview, session))
    assert end["outcome_text"] == "Pagado hasta el tope."
    assert end["reason"] == "Se ganó más de lo que se puede usar."
    assert end["obligations"][0]["text"] == "Avise al empleado."
    assert "Nadie está exento si no se muestra." in [each["text"] for each in end["assumptions"]]


def test_an_unknown_language_lists_those_there_are(pack: Pack):
    """Wrong if a person had to guess which languages a pack speaks."""
    with pytest.raises(UsageRefused) as caught:
        texts_of(pack, "fr")
    assert caught.value.code == "language"
    assert "en, es" in caught.value.hint


@pytest.mark.parametrize(
    ("path", "text", "value"),
    [
        ("in.is_exempt", "YES", True),
        ("in.is_exempt", "no", False),
        ("in.is_exempt", "sí", True),
        ("in.worked_minutes", " 1800 ", 1800),
        ("in.worked_minutes", "-5", -5),
        ("in.kind", "2", "office"),
        ("in.kind", "outdoors", "field"),
        ("in.kind", "office", "office"),
        ("in.tags", "night, weekend", ["night", "weekend"]),
    ],
)
def test_what_is_typed_is_read_by_the_kind_of_question(interview: Interview, path: str, text: str, value: Any):
    """Wrong if a plain answer were not understood."""
    options = (
        [{"value": "field", "label": "Outdoors"}, {"value": "office", "label": "Indoors"}] if path == "in.kind" else []
    )
    assert read_typed(text, interview.catalogue.fields[path], options) == value


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("in.is_exempt", "maybe"),
        ("in.worked_minutes", "1.5"),
        ("in.worked_minutes", "٣"),
        ("in.worked_minutes", "9" * 17),
        ("in.kind", "x" * 10_001),
    ],
)
def test_what_cannot_mean_an_answer_is_refused_with_what_could(interview: Interview, path: str, text: str):
    """Wrong if a number were guessed from words, or a megabyte taken for a word."""
    with pytest.raises(InputRefused) as caught:
        read_typed(text, interview.catalogue.fields[path])
    assert caught.value.code == "answer-type"


def test_disputed_readings_stand_apart_from_what_is_assumed():
    """Wrong if a contested reading of the law looked like a presumption about the facts."""
    pack = load_pack("us-mi-esta", builtin_packs().files("us-mi-esta"))
    interview = Interview(pack)
    session = interview.begin()
    known = {"in.day": "2025-06-01", LEGAL_DATE: "2025-06-01"}
    while isinstance(now := interview.next(session), Asked):
        path = now.path
        if path in known or now.is_required:
            session = interview.answer(session, path, known.get(path, (now.askable.choices or (1,))[0]))
        else:
            session = interview.skip(session, path)
    told = Teller(pack, texts_of(pack, "es")).conclusion(now)
    assert told["policies"]
    assert {each["status"] for each in told["policies"]} <= {"direct", "derived", "disputed"}
    assert not {each["id"] for each in told["assumptions"]} & {policy.assumption for policy in pack.policies}


def test_an_answer_that_makes_a_rule_take_too_many_steps_ends_nothing():
    """Wrong if a long list ended an interview, with everything said so far, by an error of the engine's own."""
    schema = json.loads(files()["schemas/input.json"])
    schema["properties"]["tags"]["x-question"] = {"ask": "Which tags?"}
    row = {"id": "x", "outcome": "none", "severity": "none", "say": "So.", "cite": "ACT 1(1)"}
    when = "in.tags.all(t, in.tags.all(u, u == t)) && in.kind == 'field'"
    changes = {
        "schemas/input.json": json.dumps(schema),
        "rules/impacts.yaml": yaml.safe_dump({"rows": [{**row, "when": when}, {**row, "id": "else", "when": "true"}]}),
        "rules/effects.yaml": yaml.safe_dump(
            {"effects": [{"id": "x", "type": "x", "outcomes": ["capped"], "cite": "ACT 1(6)"}]}
        ),
        "interview/order.yaml": yaml.safe_dump({"sections": [{"id": "all", "title": "All", "asks": ["in.tags"]}]}),
        "languages/es.yaml": yaml.safe_dump({"texts": {"title": "Paga"}}),
    }
    long = load_pack("sick-pay", files(**changes))
    interview = Interview(long)
    session = interview.answer(interview.begin(), LEGAL_DATE, "2022-01-01")
    session = interview.answer(session, "in.tags", ["a"] * 200)
    now = interview.next(session)
    assert isinstance(now, Asked)
    told = Teller(long, texts_of(long, None)).question(now)
    assert (now.path, [each["rule"] for each in told["needed_by"]]) == ("in.kind", ["x"])
    undecided = finished(interview, interview.answer(session, "in.kind", "field")).decision.impact
    assert undecided.outcome == "indeterminate"


def test_facts_that_do_not_fit_together_are_named_at_the_end():
    """Wrong if an interview ended well and its facts were then refused without a word."""
    schema = json.loads(files()["schemas/input.json"])
    schema["allOf"] = [{"if": {"required": ["is_exempt"]}, "then": {"required": ["headcount"]}}]
    interview = Interview(load_pack("sick-pay", files(**{"schemas/input.json": json.dumps(schema)})))
    session = interview.answer(interview.begin(), LEGAL_DATE, "2022-01-01")
    end = finished(interview, interview.answer(session, "in.is_exempt", True))
    assert [each.rule for each in end.violations] == ["required"]
