"""An author's tools on a pack that uses everything that the second version of the format has."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from bailiwick.errors import ModuleFailed
from bailiwick.model import Decision, JsonValue
from bailiwick.packs import Aim, ModuleAnswer, ModuleUse, Pack, Trial, difference, evaluate, lint, load_pack, try_pack
from bailiwick.packs.trying.mutation import mutants_of
from bailiwick.packs.trying.sites import sites_of

from .second import CONTRACT, CONTRACT_DIGEST, second_files

Facts = Mapping[str, JsonValue]


@pytest.fixture(scope="module")
def pack() -> Pack:
    """Give the pack, with what it rests on."""
    return load_pack("sick-pay", second_files(), {CONTRACT_DIGEST: CONTRACT})


def by_module(pack: Pack, facts: Facts, legal_date: str) -> Decision:
    """Decide with a module that answers always alike."""

    def call_module(_use: ModuleUse, _message: bytes) -> ModuleAnswer:
        return ModuleAnswer(value={"balance": 7, "years": [{"carried": 3}]}, fuel=5)

    return evaluate(pack, facts, legal_date, call_module=call_module)


def by_broken_module(pack: Pack, facts: Facts, legal_date: str) -> Decision:
    """Decide with a module that always fails."""

    def call_module(_use: ModuleUse, _message: bytes) -> ModuleAnswer:
        raise ModuleFailed("it trapped", hint="mend it", code="module-trapped")

    return evaluate(pack, facts, legal_date, call_module=call_module)


@pytest.fixture(scope="module")
def trial(pack: Pack) -> Trial:
    """Give a trial that goes as far as a trial goes."""
    return try_pack(pack, second_files(), Aim(coverage=True, mutation=True, inputs=150), decider=by_module)


def test_every_kind_of_rule_has_its_expressions_looked_at(pack: Pack):
    """Wrong if a kind of rule were tried by nobody, however weak its cases."""
    kinds = {each.rule.split()[0] for each in sites_of(pack)}
    assert kinds == {"measure", "table", "row", "call", "effect", "obligation", "assumption"}
    assert "parameter" in {each.rule.split()[0] for each in mutants_of(pack)}


def test_another_reading_of_a_policy_is_a_mutant(pack: Pack):
    """Wrong if no case cared which reading of disputed law holds where nobody chooses."""
    readings = [(each.rule, each.before, each.after) for each in mutants_of(pack) if each.kind == "reading"]
    assert readings == [("assumption policy-carry", "'all'", "'none'")]


def test_a_site_gives_the_pack_with_another_expression_there(pack: Pack):
    """Wrong if a mutant were the pack itself, and survived for that."""
    for site in sites_of(pack):
        other = pack.language.apart().compile(site.expression.text + " ", site.expression.type)
        swapped = [each for each in sites_of(site.swap(other)) if each.expression is other]
        assert [(each.rule, each.part) for each in swapped] == [(site.rule, site.part)]


def test_every_part_of_the_report_is_there(trial: Trial):
    """Wrong if a trial of a richer pack said less than one of a plain pack."""
    found = trial.to_json()
    assert found["failed"] == []
    assert found["properties"]["judged"]["never-negative"] > 0
    assert found["mutation"]["mutants"] > found["mutation"]["killed"] > 0
    assert found["coverage"]["rules"]["all"] > 10
    assert all(each["line"] for each in found["mutation"]["survived"])


def test_a_call_that_was_answered_is_touched(pack: Pack, trial: Trial):
    """Wrong if measures of a module looked untried, or tried where the module never answered."""
    assert "call accrue" not in trial.cases.uncovered
    broken = try_pack(pack, second_files(), decider=by_broken_module)
    assert "call accrue" in broken.cases.uncovered


def test_a_lint_reads_every_file(pack: Pack):
    """Wrong if a file of the second version were never looked at."""
    report = lint(pack, second_files(), inputs=100, decider=by_module)
    checks = {each.remark.check for each in report.findings}
    assert {"no-case", "unsaid"} <= checks
    assert all(each.place.file in second_files() for each in report.findings)


def test_the_pack_is_the_same_as_itself_in_every_section(pack: Pack):
    """Wrong if what a pack has more were compared by identity."""
    again = load_pack("sick-pay", second_files(), {CONTRACT_DIGEST: CONTRACT})
    found = difference(pack, again, by_module)
    assert found.is_same
    assert found.tried > 0


def test_each_further_thing_is_compared(pack: Pack):
    """Wrong if a policy, a call, a control or a word could change without being shown."""
    changes = {
        "policies.yaml": (b"Nothing.", b"Nothing at all."),
        "rules/calls.yaml": (b"/balance", b"/rest"),
        "controls.yaml": (b"Time is earned", b"Time is given"),
        "interview/order.yaml": (b"Your work", b"Work"),
    }
    files = second_files()
    paths = {path: next(each for each in files if each.startswith(path.partition("/")[0])) for path in changes}
    for path, (old, new) in changes.items():
        where = path if path in files else paths[path]
        assert old in files[where], where
        files[where] = files[where].replace(old, new)
    new_pack = load_pack("sick-pay", files, {CONTRACT_DIGEST: CONTRACT})
    found = {(each.section, each.name) for each in difference(pack, new_pack, by_module).changes}
    assert {("policies", "carry"), ("rules", "call accrue"), ("controls", "earning"), ("words", "section work")} <= {
        *found,
        *((section, name) for section, name in found if section == "controls"),
    }
