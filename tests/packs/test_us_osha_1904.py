"""The pack that ships: its own cases, its reader, its sample, and real injuries."""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import bailiwick
from bailiwick.engine import Engine
from bailiwick.errors import SchemaViolated
from bailiwick.model import Tier
from bailiwick.packs import Pack, evaluate, run_cases
from bailiwick.packs.format.texts import missing_texts
from bailiwick.schema import parse_document

BUILTIN = Path(bailiwick.__file__).parent / "builtin"
MODULE = BUILTIN / "modules" / "osha-intake"
SAMPLE = BUILTIN / "samples" / "osha-injuries.csv"
DAY = "2020-09-25"


# --- its own cases --------------------------------------------------------------------------------------------------


def test_every_case_comes_out_as_written(osha: Pack):
    """The shipped law would not be what its authors wrote down."""
    report = run_cases(osha)
    assert [failure.to_json() for failure in report.failed] == []
    assert report.cases >= 90


def test_cases_touch_every_rule(osha: Pack):
    """A rule of the shipped law would never have been tried."""
    assert run_cases(osha).uncovered == ()


def test_cases_reach_every_outcome_and_both_laws(osha: Pack):
    """A whole consequence, or the older rule, would never have been tried."""
    assert {case.outcome for case in osha.cases} == set(osha.outcomes)
    dates = {case.legal_date for case in osha.cases}
    assert {"2001-12-31", "2002-01-01", "2014-12-31", "2015-01-01"} <= dates
    days = {case.input.get("incident_date") for case in osha.cases}
    assert {"2019-02-24", "2023-12-31", "2024-01-01"} <= days
    dues = [duty.get("due_at") for case in osha.cases for duty in case.obligations or ()]
    assert sum(due is not None for due in dues) >= 5


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("parameters/reporting.yaml", "value: 480", "value: 481"),
        ("parameters/reporting.yaml", "from: 2015-01-01", "from: 2015-01-02"),
        ("parameters/reporting.yaml", "value: 3,", "value: 4,"),
        ("parameters/windows.yaml", "value: 43200", "value: 43201"),
        ("parameters/windows.yaml", "value: 1440", "value: 1439"),
        ("parameters/recording.yaml", "10080", "10081"),
        ("parameters/recording.yaml", "[cancer, fracture]", "[fracture]"),
        ("rules/measures.yaml", "&& !in.in_construction_work_zone", ""),
        ("rules/measures.yaml", "minutes_to_death <=", "minutes_to_death <"),
        ("rules/measures.yaml", "minutes_to_hospitalization <=", "minutes_to_hospitalization <"),
        ("rules/measures.yaml", "hospitalized_count >=", "hospitalized_count >"),
        ("rules/measures.yaml", "in.days_away > 0", "in.days_away > 1"),
        ("rules/measures.yaml", "|| in.lost_consciousness", ""),
        ("rules/measures.yaml", "|| in.special_recording_case", ""),
        ("rules/measures.yaml", "in.new_case && ", ""),
        ("rules/measures.yaml", "!m.excepted && m.death", "m.death"),
        ("rules/impacts.yaml", "m.recordable && m.keeps_records", "m.recordable"),
        (
            "rules/impacts.yaml",
            "when: in.matter == 'records-request' && m.keeps_records",
            "when: in.matter == 'records-request'",
        ),
        ("rules/impacts.yaml", "in.incident_date <= m.records_kept_until", "in.incident_date < m.records_kept_until"),
        ("rules/impacts.yaml", "m.summary_posted_until) + 1", "m.summary_posted_until)"),
        ("rules/measures.yaml", "in.told_to_keep_records || ", ""),
        ("rules/measures.yaml", " && !m.too_small", ""),
        ("rules/measures.yaml", " && !in.in_exempt_industry", ""),
        ("rules/measures.yaml", "in.records_year + p.retention_years", "in.records_year + 1 + p.retention_years"),
        ("parameters/establishments.yaml", "value: 10,", "value: 11,"),
        ("parameters/establishments.yaml", "value: 5,", "value: 4,"),
        ("parameters/establishments.yaml", "value: 240,", "value: 241,"),
        ("parameters/establishments.yaml", "from: 2024-01-01, value: 250,", "from: 2024-01-01, value: 251,"),
        ("parameters/establishments.yaml", "from: 2024-01-01, value: 20,", "from: 2024-01-01, value: 21,"),
        ("parameters/establishments.yaml", "value: 100,", "value: 101,"),
        ("parameters/establishments.yaml", "from: 2024-01-01, value: true", "from: 2024-01-02, value: true"),
        ("parameters/establishments.yaml", "-02-01", "-02-02"),
        ("parameters/establishments.yaml", "-04-30", "-05-01"),
        ("rules/tables/forms_submitted.yaml", " && in.in_appendix_a", ""),
        ("rules/tables/forms_submitted.yaml", " && in.in_appendix_b", ""),
        ("rules/impacts.yaml", "|| m.loss_reportable", ""),
        ("assumptions.yaml", "['ear', 'eye']", "['eye']"),
        ("assumptions.yaml", "['eye', 'face', 'head', 'multiple']", "['eye', 'face', 'multiple']"),
        ("assumptions.yaml", "[29, 31]", "[31]"),
        ("assumptions.yaml", "[29, 31]", "[29]"),
        ("assumptions.yaml", "[1, 38]", "[1]"),
        ("assumptions.yaml", "[1, 38]", "[38]"),
        ("rules/effects.yaml", "+ '/' +", "+ '-' +"),
        ("rules/tables/reportable_event.yaml", "'amputation'", "'loss'"),
    ],
)
def test_cases_notice_a_changed_rule(osha_files: dict[str, bytes], path: str, old: str, new: str):
    """A slip in the law would pass its own cases."""
    from bailiwick.packs import load_pack

    text = osha_files[path].decode()
    assert old in text
    changed = load_pack("us-osha-1904", {**osha_files, path: text.replace(old, new).encode()})
    assert not run_cases(changed).is_passed


# --- its reader and its sample --------------------------------------------------------------------------------------


def test_the_pack_pins_the_reader_that_ships(osha: Pack):
    """Rows would be read by code that the pack was not written for. When the module changes, so must pack.yaml."""
    manifest: Any = parse_document((MODULE / "module.json").read_bytes())
    reader = osha.intake["csv"]
    wasm = (MODULE / manifest["file"]).read_bytes()
    assert reader.module == manifest["name"]
    assert reader.digest == manifest["digest"] == "sha256:" + hashlib.sha256(wasm).hexdigest()
    assert reader.function in manifest["functions"]


def test_whatever_the_reader_observes_is_a_fact_of_the_pack(osha: Pack):
    """A row that was read well would be refused as input."""
    observed: Any = parse_document((MODULE / "observation.schema.json").read_bytes())
    accepted: Any = osha.input_schema
    assert accepted["additionalProperties"] is False
    assert not accepted.get("required")
    for name, rule in observed["properties"].items():
        asked = accepted["properties"][name]
        assert {key: value for key, value in asked.items() if key != "x-question"} == rule


def test_the_sample_is_read_and_decided_row_by_row(osha: Pack):
    """The demonstration would show nothing, or nothing but one outcome."""
    header, *rows = SAMPLE.read_bytes().decode("ascii").removesuffix("\r\n").split("\r\n")
    outcomes: Counter[str] = Counter()
    keys = []
    with Engine() as engine:
        guest = engine.load((MODULE / "osha-intake.wasm").read_bytes())
        for row in rows:
            envelope = json.dumps({"header": header, "row": row}).encode()
            answer: Any = parse_document(engine.run(guest, "observe", envelope, Tier.LIGHTWEIGHT.budget).output)
            osha.check_input(answer["ok"])
            decision = evaluate(osha, answer["ok"], DAY)
            outcomes[decision.impact.outcome] += 1
            keys += [effect.key for effect in decision.effects]
    assert sum(outcomes.values()) == len(rows) >= 200
    assert set(outcomes) == {"report-within-8-hours", "report-within-24-hours", "record-only", "indeterminate"}
    assert min(outcomes["report-within-24-hours"], outcomes["indeterminate"]) >= 20
    assert len(keys) == len(set(keys)) == outcomes["report-within-8-hours"] + outcomes["report-within-24-hours"]


def test_the_sample_is_sorted_and_holds_every_code_of_its_kind():
    """The sample would be a slice of somebody's file, and most codes would never be shown."""
    with SAMPLE.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    names = [(int(row["summary_nr"]), int(row["injury_line_nr"])) for row in rows]
    assert names == sorted(set(names))
    assert {row["degree_of_inj"] for row in rows} == {"1", "2", "3"}
    assert len({row["nature_of_inj"] for row in rows}) >= 15
    assert len({row["part_of_body"] for row in rows}) >= 28
    assert "SOURCE.txt" in {file.name for file in SAMPLE.parent.iterdir()}


def test_real_injuries_come_out_as_they_did_before_establishments_were_judged(osha: Pack):
    """Wrong if what was added for establishments changed what is owed for an injured employee."""
    folder = os.environ.get("BAILIWICK_DATA")
    if folder is None:
        pytest.skip("BAILIWICK_DATA names no folder with public data")
    file = Path(folder) / "osha-enforcement" / "osha_accident_injury-0002.csv"
    header, *rows = file.read_bytes().decode("ascii").splitlines()
    outcomes: Counter[str] = Counter()
    with Engine() as engine:
        guest = engine.load((MODULE / "osha-intake.wasm").read_bytes())
        for row in rows:
            envelope = json.dumps({"header": header, "row": row}).encode()
            answer: Any = parse_document(engine.run(guest, "observe", envelope, Tier.LIGHTWEIGHT.budget).output)
            osha.check_input(answer["ok"])
            outcomes[evaluate(osha, answer["ok"], "2024-01-01").impact.outcome] += 1
    assert outcomes == {
        "report-within-8-hours": 1574,
        "report-within-24-hours": 214,
        "indeterminate": 211,
        "record-only": 1,
    }


def test_every_text_is_there_in_spanish(osha: Pack):
    """Wrong if somebody who was promised Spanish is asked in English."""
    assert osha.languages == ("en", "es")
    assert missing_texts(osha) == {}


@pytest.mark.parametrize(
    "facts",
    [
        {"degree": "dead"},
        {"degree": 1},
        {"known_at": "yesterday"},
        {"incident_date": "2020-02-30"},
        {"days_away": -1},
        {"name": "x"},
        {"matter": "injuries"},
        {"records_year": 1999},
        {"in_appendix_a": "yes"},
    ],
)
def test_facts_outside_of_the_schema_are_refused(osha: Pack, facts: dict[str, Any]):
    """A word that no rule knows would count as anything but a death."""
    with pytest.raises(SchemaViolated):
        osha.check_input(facts)
