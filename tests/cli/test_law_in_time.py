"""Law that changes, from the terminal: shown before it takes over, listed record by record, and every example works."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
from importlib.resources import files
from pathlib import Path

import pytest
import yaml

from bailiwick.cli.commands import COMMANDS
from tests.law import LeaveLaw, facts

NAME = "us-osha-1904"
DAY = "2024-01-01"


@pytest.fixture
def town(cli, folder):
    """Give a terminal on a home where version 1.0.0 of a law is installed and has decided."""
    assert cli("init").code == 0
    LeaveLaw().write(folder)
    assert cli("pack", "sign", "leave-law").code == 0
    assert cli("pack", "install", "leave-law").code == 0
    (folder / "facts.jsonl").write_text("".join(json.dumps(each) + "\n" for each in facts(40)))
    assert cli("decide", "leave-law", "facts.jsonl").code == 0
    return cli


def sign(cli, folder: Path, law: LeaveLaw) -> None:
    """Write and sign another version."""
    law.write(folder)
    assert cli("pack", "sign", "leave-law").code == 0


def expected(before: LeaveLaw, after: LeaveLaw) -> int:
    """Count what the oracle decides otherwise."""
    return sum(before.decide(each) != after.decide(each) for each in facts(40))


def test_what_changed_lists_each_decision_and_exits_1(town, folder):
    """If it failed, a person could not see whom a change of law touches."""
    after = LeaveLaw(version="1.1.0", cap=4_321)
    after.write(folder)
    ran = town("what-changed", "leave-law", "./leave-law", "--json")
    assert ran.code == 1
    *changes, last = ran.lines
    assert len(changes) == expected(LeaveLaw(), after) == last["summary"]["differing"]
    assert last["summary"]["compared"] == 40
    told = town("what-changed", "leave-law", "./leave-law")
    assert f"40 decisions compared with leave-law 1.1.0: {len(changes)} would differ" in told.out
    assert "capped -> paid; over true -> false" in told.out


def test_what_changed_exits_0_where_nothing_would_differ(town, folder):
    """If it failed, a script could not tell."""
    ran = town("what-changed", "leave-law")
    assert (ran.code, ran.out) == (0, "40 decisions compared with leave-law 1.0.0: 0 would differ\n")


def test_what_changed_looks_only_at_the_time_that_is_asked_for(town):
    """If it failed, a long history could not be looked at in parts."""
    counts = [
        town("what-changed", "leave-law", *words, "--json").lines[-1]["summary"]["compared"]
        for words in (["--since", "2020-01-01"], ["--until", "2020-01-01"], ["--since", "2020-01-01T00:00:00Z"])
    ]
    assert counts == [40, 0, 40]
    assert town("what-changed", "leave-law", "--since", "yesterday").code == 2


def test_a_law_that_decides_otherwise_waits_for_an_answer(town, folder):
    """If it failed, a new version would take over before anybody saw what it does."""
    after = LeaveLaw(version="1.1.0", cap=4_321)
    sign(town, folder, after)
    refused = town("pack", "install", "leave-law")
    assert refused.code == 2
    assert "not-confirmed" in refused.err
    assert f"{expected(LeaveLaw(), after)} would differ" in refused.err
    assert town("pack", "show", "leave-law", "--json").json["version"] == "1.0.0"
    shown = town("pack", "install", "leave-law", "--dry-run", "--json")
    assert (shown.code, shown.json["installed"]) == (0, False)
    assert shown.json["changes"]["differing"] == expected(LeaveLaw(), after)
    assert town("pack", "show", "leave-law", "--json").json["version"] == "1.0.0"
    assert town("pack", "install", "leave-law", "--yes").code == 0
    assert town("pack", "show", "leave-law", "--json").json["version"] == "1.1.0"
    assert town("replay", "--all").code == 0


def test_a_person_can_say_yes_or_no(town, folder, monkeypatch):
    """If it failed, whoever sits at the terminal would have to begin again."""
    sign(town, folder, LeaveLaw(version="1.1.0", cap=4_321))
    monkeypatch.setattr("bailiwick.cli.screen.can_ask", lambda: True)
    for answer, code, version in ((False, 1, "1.0.0"), (True, 0, "1.1.0")):
        monkeypatch.setattr("bailiwick.cli.screen.ask", lambda _, answer=answer: answer)
        assert town("pack", "install", "leave-law").code == code
        assert town("pack", "show", "leave-law", "--json").json["version"] == version


def test_a_law_that_decides_the_same_takes_over_at_once(town, folder):
    """If it failed, a mended word would need a decision of its own."""
    sign(town, folder, LeaveLaw(version="1.0.1", wording="Too much was earned."))
    assert town("pack", "install", "leave-law").code == 0
    assert town("pack", "show", "leave-law", "--json").json["version"] == "1.0.1"


def test_dry_run_and_yes_do_not_go_together(town):
    """If it failed, one of the two would be ignored."""
    assert town("pack", "install", "leave-law", "--dry-run", "--yes").code == 2


def test_a_corrected_reading_is_named(town, folder):
    """If it failed, nobody would see which reading was given up, and why."""
    sign(town, folder, LeaveLaw(version="1.0.1", cap=4_321, supersedes="1.0.0"))
    ran = town("what-changed", "leave-law", "./leave-law")
    assert "1.0.1 corrects 1.0.0: The cap was misread." in ran.out
    town("pack", "install", "leave-law", "--yes")
    assert "corrects 1.0.0" in town("pack", "history", "leave-law").out


def test_the_list_says_since_and_until_when(town, folder):
    """If it failed, a planned law would come as a surprise."""
    sign(town, folder, LeaveLaw(version="2.0.0"))
    assert town("pack", "install", "leave-law", "--active-from", "2100-01-01").code == 0
    (listed,) = [each for each in town("pack", "list", "--json").json["packs"] if each["name"] == "leave-law"]
    assert (listed["version"], listed["until"], listed["origin"]) == ("1.0.0", "2100-01-01", "installed")
    assert "until 2100-01-01" in town("pack", "list").out


def test_a_pack_whose_rules_call_modules_is_signed_installed_and_compared(cli, folder):
    """If it failed, law that needs a module could be shipped only, and never changed."""
    assert cli("init").code == 0
    place = folder / "law" / "us-mi-esta"
    shutil.copytree(Path(str(files("bailiwick"))) / "builtin" / "packs" / "us-mi-esta", place)
    cases = (place / "tests" / "payroll.yaml").read_text()
    given = yaml.safe_load(cases)["cases"][0]
    (folder / "facts.json").write_text(json.dumps(given["input"], default=str))
    day = ["--legal-date", str(given["legal_date"])] if "legal_date" in given else []
    assert cli("decide", "us-mi-esta", "facts.json", *day, "--json").json["outcome"] == given["output"]["outcome"]
    manifest = place / "pack.yaml"
    manifest.write_text(re.sub(r"(?m)^version: .*$", "version: 99.0.0", manifest.read_text()))
    assert cli("pack", "sign", "law/us-mi-esta").code == 0
    installed = cli("pack", "install", "law/us-mi-esta", "--json")
    assert installed.code == 0
    assert installed.json["changes"]["compared"] == 1
    assert installed.json["changes"]["differing"] == 0
    assert cli("decide", "us-mi-esta", "facts.json", *day, "--json").json["outcome"] == given["output"]["outcome"]
    assert cli("replay", "--all", "--json").json["replayed"] == 2


def test_the_examples_of_law_that_changes_work(decided, folder):
    """If it failed, the help would show a command line that does not work."""
    place = folder / "law" / NAME
    shutil.copytree(Path(str(files("bailiwick"))) / "builtin" / "packs" / NAME, place)
    shipped = decided("pack", "show", NAME, "--json").json["version"]
    manifest = place / "pack.yaml"
    manifest.write_text(re.sub(r"(?m)^version: .*$", "version: 99.0.0", manifest.read_text()))
    key = decided("module", "new", "pay-size", "--lang", "wat", "--json")
    assert key.code == 0
    key_text = decided("pack", "sign", f"law/{NAME}", "--json").json["key"]
    for words in ("what-changed", "pack sign", "pack trust", "pack install", "pack activate", "pack history"):
        (command,) = [each for each in COMMANDS if each.words == words]
        for example in command.examples:
            ran = decided(*shlex.split(example.replace("VERSION", shipped).replace("AUTHOR-KEY", key_text)))
            assert ran.code == 0, f"bailiwick {example}: {ran.err or ran.out}"


def test_one_minute_more_lists_exactly_the_injuries_that_it_touches(cli, folder):
    """If it failed, what-changed would miss real decisions, or name others: 2,000 rows of OSHA's own data."""
    given = os.environ.get("INPUT")
    if given is None:
        pytest.skip("INPUT is not set: a CSV of OSHA's injuries")
    assert cli("init").code == 0
    made = cli("decide", NAME, given, "--legal-date", DAY, "--json").lines
    shutil.copytree(Path(str(files("bailiwick"))) / "builtin" / "packs" / NAME, folder / NAME)
    (folder / "after").mkdir()
    (folder / NAME).rename(folder / "after" / NAME)
    reporting = folder / "after" / NAME / "parameters" / "reporting.yaml"
    text = reporting.read_text()
    # Since 2015 an admission to hospital is reported within 24 hours, and since then a loss as well.
    changed = re.sub(
        r"(?m)^(\s+- \{from: 2015-01-01, value: )1440(, cite: 29 CFR 1904\.39\(a\)\(2\))", r"\g<1>1441\2", text
    )
    assert changed != text
    reporting.write_text(changed)
    expected = {each["record"] for each in made if each.get("outcome") == "report-within-24-hours"}
    ran = cli("what-changed", NAME, f"after/{NAME}", "--json")
    *changes, last = ran.lines
    assert last["summary"]["compared"] >= 2_000
    assert {each["record"] for each in changes} == expected
    assert len(expected) > 100
    assert {tuple(each["kinds"]) for each in changes} == {("obligations",)}
