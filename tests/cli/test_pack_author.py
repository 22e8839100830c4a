"""An author's commands for packs: new, test, lint, diff, watch; none needs a home."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys

import pytest

from bailiwick.cli.pack_watch import watch_pack
from bailiwick.errors import BailiwickError
from bailiwick.node import desk_pack
from bailiwick.packs import Aim, try_pack


@pytest.fixture
def pack(cli, folder):
    """Give the folder of a new pack."""
    assert cli("pack", "new", "town-fees").code == 0
    return folder / "town-fees"


def change(pack, path: str, old: str, new: str) -> None:
    """Replace some text of one file of a pack."""
    text = (pack / path).read_text()
    assert old in text
    (pack / path).write_text(text.replace(old, new))


def test_a_new_pack_passes_test_and_lint_at_once(cli, pack):
    """Wrong if the first thing that an author sees were a failure; no home is asked for."""
    tested = cli("pack", "test", "town-fees", "--coverage", "--mutate", "--json")
    assert (tested.code, tested.json["failed"], tested.json["uncovered"]) == (0, [], [])
    assert tested.json["coverage"]["conditions"]["missing"] == []
    assert tested.json["mutation"]["score"] >= 90
    linted = cli("pack", "lint", "town-fees", "--strict", "--json")
    assert (linted.code, linted.json["findings"]) == (0, [])


def test_what_is_there_already_is_not_written_over(cli, pack):
    """Wrong if an author's law could be lost."""
    ran = cli("pack", "new", "town-fees", "--json")
    assert (ran.code, json.loads(ran.err)["error"]["code"]) == (2, "folder-exists")


@pytest.mark.parametrize("name", ["Town", "town_fees", "-x", "../up", "a" * 65, ""])
def test_a_name_that_a_pack_cannot_have_makes_no_folder(cli, folder, name):
    """Wrong if a folder were made that no pack can be loaded from."""
    ran = cli("pack", "new", "--json", "--", name)
    assert ran.code == 2
    assert list(folder.iterdir()) == []


def test_a_pack_can_be_put_elsewhere(cli, folder):
    """Wrong if packs could be kept in one place only."""
    (folder / "law").mkdir()
    assert cli("pack", "new", "road-fees", "--into", "law", "--json").json["folder"] == "law/road-fees"
    assert cli("pack", "test", "law/road-fees").code == 0


def test_a_case_that_comes_out_otherwise_exits_with_one_and_says_where(cli, pack):
    """Wrong if broken law looked tested."""
    change(pack, "parameters/lending.yaml", "value: 25,", "value: 26,")
    ran = cli("pack", "test", "town-fees")
    assert ran.code == 1
    assert "tests/cases.yaml:15: from 2025 on a day costs more" in ran.out
    assert "fee: 25 expected, 26 given" in ran.out


def test_a_property_that_breaks_exits_with_one_and_shows_the_input(cli, pack):
    """Wrong if law that breaks its own promise looked tested."""
    change(pack, "tests/properties.yaml", "m.fee <= p.fee_cents_max", "m.fee < p.fee_cents_max")
    ran = cli("pack", "test", "town-fees", "--seed", "7", "--inputs", "200")
    assert ran.code == 1
    assert "2 properties on 200 inputs (seed 7), 1 failed" in ran.out
    assert "this does not hold: m.fee < p.fee_cents_max" in ran.out


def test_what_no_case_notices_is_told_with_an_input_that_would(cli, pack):
    """Wrong if a weak case looked like a strong one."""
    change(pack, "tests/cases.yaml", "obligations: [{id: pay, within_minutes: 43200}]", "because: last day")
    ran = cli("pack", "test", "town-fees", "--mutate")
    assert ran.code == 0
    assert "parameters/lending.yaml:22: no case notices parameter pay_within_minutes (parameter)" in ran.out
    assert "    before  43200 from 2024-01-01\n    after   43199 from 2024-01-01\n    told apart by {" in ran.out
    full = cli("pack", "test", "town-fees", "--mutate", "--json").json["mutation"]
    told = [each["told_by"] for each in full["survived"] if each["rule"] == "parameter pay_within_minutes"]
    assert [each["after"]["obligations"][0]["within_minutes"] for each in told] == [43199, 43201]


def test_a_lint_exits_with_one_at_a_fault_and_for_advice_only_if_strict(cli, pack):
    """Wrong if a build went on over law that nobody tried, or stopped over a missing sentence."""
    change(pack, "rules/measures.yaml", "    say: The fee by days alone.\n", "")
    assert cli("pack", "lint", "town-fees").code == 0
    assert cli("pack", "lint", "town-fees", "--strict").code == 1
    change(pack, "rules/measures.yaml", "m.late_days * p.fee_cents_a_day", "m.late_days * 20")
    ran = cli("pack", "lint", "town-fees")
    assert ran.code == 1
    assert "parameters/lending.yaml:9: fault, unused, parameter fee_cents_a_day: no rule reads it" in ran.out


def test_a_pack_that_does_not_load_is_refused_with_every_fault(cli, pack):
    """Wrong if a typing error in law were shown as a traceback, or one fault a run."""
    change(pack, "rules/impacts.yaml", "m.late_days", "m.late_dys")
    change(pack, "rules/measures.yaml", "cite: Lending Rules 3", "cite: Some Other Rules")
    for command in ("test", "lint"):
        ran = cli("pack", command, "town-fees")
        assert ran.code == 3
        assert "m.late_dys is not declared" in ran.err
        assert "sources.yaml" in ran.err


def test_a_difference_is_told_by_meaning(cli, pack, folder):
    """Wrong if a change of law could hide in a change of text."""
    (folder / "new").mkdir()
    shutil.copytree(pack, folder / "new" / "town-fees")
    assert cli("pack", "diff", "town-fees", "new/town-fees", "--json").json["same"] is True
    assert "they mean the same" in cli("pack", "diff", "town-fees", "new/town-fees").out
    change(folder / "new" / "town-fees", "parameters/lending.yaml", "value: 25,", "value: 30,")
    told = cli("pack", "diff", "town-fees", "new/town-fees")
    assert told.code == 0
    assert '{"value": 25, "cite": "Lending Rules 3"} -> {"value": 30, "cite": "Lending Rules 3"}' in told.out
    assert "measure fee: 25 -> 30" in told.out
    found = cli("pack", "diff", "town-fees", "new/town-fees", "--json").json
    assert [each["name"] for each in found["changes"]["parameters"]] == ["fee_cents_a_day"]


def test_what_is_no_pack_is_named(cli, folder):
    """Wrong if a wrong path ended in a traceback."""
    for words in (("test", "absent"), ("lint", "absent"), ("diff", "absent", "us-osha-1904"), ("test", ".")):
        ran = cli("pack", *words, "--json")
        assert (ran.code, json.loads(ran.err)["error"]["code"]) == (4, "pack-not-found")


@pytest.mark.parametrize("name", ["payments-release", "us-epa-emanifest", "us-mi-esta", "us-osha-1904"])
def test_every_pack_that_ships_holds_to_what_authors_are_asked_for(cli, name):
    """Wrong if law that ships were tried less than anybody else's; modules that it calls are run."""
    tested = cli("pack", "test", name, "--coverage", "--inputs", "100", "--json")
    assert (tested.code, tested.json["failed"], tested.json["uncovered"]) == (0, [], [])
    linted = cli("pack", "lint", name, "--inputs", "100", "--json")
    assert [each for each in linted.json["findings"] if each["level"] == "fault"] == []
    assert linted.code == 0


# --- watching ---------------------------------------------------------------------------------------------------------


def watched(pack, steps, *, as_json: bool = False) -> int:
    """Watch a pack while somebody works on it: one step between two looks, and then Ctrl-C."""
    waiting = iter(steps)

    def pause() -> None:
        """Do the next step, or press Ctrl-C."""
        step = next(waiting, None)
        if step is None:
            raise KeyboardInterrupt
        step()

    return watch_pack(str(pack), lambda: try_pack(*desk_pack(str(pack)), Aim(inputs=20)), as_json=as_json, pause=pause)


def test_watching_shows_only_what_changed(pack, capsys):
    """Wrong if an author had to find the one new line in a full report each time."""

    def break_it() -> None:
        change(pack, "parameters/lending.yaml", "value: 25,", "value: 26,")

    def mend_it() -> None:
        change(pack, "parameters/lending.yaml", "value: 26,", "value: 25,")

    assert watched(pack, [lambda: None, break_it, lambda: None, mend_it]) == 0
    printed = capsys.readouterr()
    assert printed.out.count("7 cases") == 3
    assert printed.out.count("properties on 20 inputs") == 1
    assert "    fee: 25 expected, 26 given\n" in printed.out
    assert "no more:     fee: 25 expected, 26 given\n" in printed.out
    assert "watching ended" in printed.err


def test_watching_goes_on_over_a_pack_that_does_not_load(pack, capsys):
    """Wrong if half a line saved ended the watch."""

    def spoil_it() -> None:
        change(pack, "rules/impacts.yaml", "m.late_days", "m.late_dys")

    def lose_it() -> None:
        (pack / "pack.yaml").rename(pack / "pack.old")

    def find_it() -> None:
        (pack / "pack.old").rename(pack / "pack.yaml")
        change(pack, "rules/impacts.yaml", "m.late_dys", "m.late_days")

    assert watched(pack, [spoil_it, lose_it, find_it], as_json=True) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["error"]["code"] if "error" in line else line["cases"] for line in lines] == [
        7,
        "pack-refused",
        "pack-not-found",
        7,
    ]


def test_other_errors_end_the_watch(pack):
    """Wrong if a bug of ours were shown as a broken pack for ever."""

    def attempt() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        watch_pack(str(pack), attempt, as_json=True, pause=lambda: None)
    assert not issubclass(ZeroDivisionError, BailiwickError)


def test_an_interrupt_ends_the_watch_of_a_real_terminal(pack):
    """Wrong if Ctrl-C left a traceback or an exit code of failure behind."""
    command = [sys.executable, "-m", "bailiwick.cli", "pack", "test", str(pack), "--watch", "--inputs", "5", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert json.loads(process.stdout.readline())["failed"] == []
        change(pack, "parameters/lending.yaml", "value: 25,", "value: 26,")
        assert json.loads(process.stdout.readline())["failed"] != []
        process.send_signal(signal.SIGINT)
        _, talk = process.communicate(timeout=60)
    assert (process.returncode, talk) == (0, "watching ended\n")
