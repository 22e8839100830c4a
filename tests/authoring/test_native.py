"""An operator's own Python at the desk: the same contracts as any module, nothing left over, never with a tenant."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

import bailiwick
from bailiwick.authoring import NATIVE, Desk, NativeRunner, build, read_project, run_cases, start
from bailiwick.engine import HostRefused, Refusal, TranscriptHost, read_answer
from bailiwick.errors import InputRefused, ModuleFailed, Unavailable, UsageRefused
from bailiwick.model import Tier
from bailiwick.supervisor.manifest import NATIVE as NATIVE_OF_TENANTS

BUDGET = Tier.STANDARD.budget
CLOCK = "bailiwick:clock/clock@0.1.0"
RUNNER = NativeRunner()


def run(source: str, *, input: bytes = b"{}", host=None, **others: str):  # noqa: A002
    """Run ``f`` of a module."""
    sources = {"module.py": source.encode(), **{f"{name}.py": text.encode() for name, text in others.items()}}
    return RUNNER.run(RUNNER.load("module.py", sources), "f", input, BUDGET, host=host)


def answer(source: str, **others):
    """What ``f`` answers, or refuses."""
    return read_answer(run(source, **others).output)


def test_a_new_native_module_passes_its_cases():
    """Wrong if the template of this tier did not work, or its cases were held to less than others."""
    files = start("pay", "native")
    project = read_project(files)
    guest = RUNNER.load(project.main, project.sources)
    report = run_cases(project.manifest, project.cases, guest, RUNNER, BUDGET)
    assert (report.cases, report.failed, report.untried) == (3, (), ())


def test_its_cases_fail_as_those_of_others_do():
    """Wrong if a wrong answer passed, because nothing compared it."""
    project = read_project(start("pay", "native"))
    guest = RUNNER.load("module.py", {"module.py": b"def total(input): return {'total': 1.5}"})
    report = run_cases(project.manifest, project.cases, guest, RUNNER, BUDGET)
    assert [each.name for each in report.failed] == ["nothing worked", "a week", "less than no time"]


def test_nothing_of_a_call_is_left_in_the_next():
    """Wrong if a counter at the top of the file went on counting, or of a file that it imports."""
    source = """import other
seen = []
def f(input):
    seen.append(1)
    other.seen.append(1)
    return [seen, other.seen]"""
    sources = {"module.py": source.encode(), "other.py": b"seen = []"}
    guest = RUNNER.load("module.py", sources)
    outputs = [read_answer(RUNNER.run(guest, "f", b"{}", BUDGET).output) for _ in range(2)]
    assert outputs == [[[1], [1]], [[1], [1]]]
    assert not {"module", "other", "bailiwick_guest", "bailiwick_host"} & sys.modules.keys()


def test_a_refusal_and_an_exception_come_out_as_from_a_built_module():
    """Wrong if a module changed what it says when it is built."""
    refused = "from bailiwick_guest import Refused\ndef f(input): raise Refused('too-late', 'no')"
    assert answer(refused) == Refusal(code="too-late", message="no")
    assert answer("def f(input):\n    return 1 / 0") == Refusal(
        code="exception", message="ZeroDivisionError: division by zero (line 2)"
    )
    assert answer("x = 1").code == "function-unknown"
    assert answer("import sys\ndef f(input): sys.exit(3)").code == "exception"
    assert answer("def f(input): return {1}").code == "exception"
    assert answer("def f(input): return float('nan')").code == "exception"


def test_a_module_that_fails_while_it_is_imported_refuses_too():
    """Wrong if an error at the top of a file were a traceback of ours."""
    assert answer("raise KeyError('no')").message.startswith("KeyError")


def test_a_file_that_is_no_python_is_named_with_its_line():
    """Wrong if the author had to look for it."""
    with pytest.raises(InputRefused, match="line 2") as caught:
        RUNNER.load("module.py", {"module.py": b"x = 1\ndef f(:"})
    assert caught.value.code == "build-failed"


def test_what_it_prints_is_no_part_of_the_answer(capsys):
    """Wrong if a print in a module broke the JSON of whoever reads the terminal."""
    assert answer("def f(input):\n    print('hello')\n    return 1") == 1
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "hello\n")


ASKS = f"from bailiwick_host import ask\ndef f(input): return ask('{CLOCK}', 'now')"


def manifest(**changes):
    """The manifest of a native module that asks for the clock."""
    asked = {"interface": CLOCK, "functions": ["now"], "scope": {}, "reason": "to date"}
    raw = json.loads(start("pay", "native")["module.json"])
    return {**raw, "digest": "sha256:" + "0" * 64, "capabilities": [asked], **changes}


class Noon:
    """A clock that stands."""

    functions = frozenset({"now"})

    def call(self, context, function, input):  # noqa: A002
        """Give the one time."""
        return 12


def test_what_it_asks_goes_through_the_same_link_and_transcript():
    """Wrong if a native module reached the host by another way than the one that is checked and kept."""
    done = run(ASKS, host=Desk(manifest(), {CLOCK: Noon()}, lambda _: None))
    assert read_answer(done.output) == 12
    assert [(each.interface, each.function, each.output) for each in done.transcript] == [(CLOCK, "now", 12)]
    again = run(ASKS, host=TranscriptHost(done.transcript))
    assert (again.output, again.transcript) == (done.output, done.transcript)


def test_what_the_manifest_does_not_ask_for_is_denied():
    """Wrong if the desk were more generous to a native module than a grant can be."""
    assert answer(ASKS, host=Desk(manifest(capabilities=[]), {CLOCK: Noon()}, lambda _: None)).code == "denied"
    assert answer(ASKS).code == "denied"


def test_a_refusal_of_the_host_can_be_caught():
    """Wrong if a module could not go on without what it was not given."""
    source = f"""from bailiwick_guest import Refused
from bailiwick_host import ask
def f(input):
    try:
        return ask('{CLOCK}', 'now')
    except Refused as refused:
        return refused.code"""
    assert answer(source) == "denied"


class Broken:
    """A host that fails."""

    def __init__(self, error):
        self.error = error

    def call(self, interface, function, input, *, left, charge):  # noqa: A002
        """Fail."""
        raise self.error


def test_a_failure_of_the_host_is_no_answer_even_where_it_is_caught():
    """Wrong if a module could hide that the host was not able to answer."""
    source = ASKS.replace("return", "\n    try: return") + "\n    except BaseException: return 1"
    with pytest.raises(Unavailable):
        run(source, host=Broken(Unavailable("no", hint="-", code="clock-gone")))
    assert answer(source, host=Broken(HostRefused("late", "no"))) == 1


def test_it_is_held_to_the_limits_of_questions():
    """Wrong if a loop of questions had no end."""
    source = f"from bailiwick_host import ask\ndef f(input):\n    while True: ask('{CLOCK}', 'now')"
    with pytest.raises(ModuleFailed) as caught:
        run(source, host=Desk(manifest(), {CLOCK: Noon()}, lambda _: None))
    assert caught.value.code == "module-host-call"


def test_it_is_not_built():
    """Wrong if a native module could be made into a binary that says native of itself."""
    with pytest.raises(UsageRefused) as caught:
        build(read_project(start("pay", "native")), toolchain=None)
    assert caught.value.code == "module-native"


def test_both_rooms_mean_the_same_form():
    """Wrong if what the desk runs and what tenants are kept from were two things."""
    assert NATIVE == NATIVE_OF_TENANTS


def test_only_the_desk_knows_how_to_run_it():
    """Wrong if a room that tenants reach could run Python of a module, by whatever way it came there."""
    rooms = Path(bailiwick.__file__).parent
    running = {
        path.relative_to(rooms).parts[0]
        for path in rooms.rglob("*.py")
        if re.search(r"NativeRunner|\bexec\(", path.read_text())
    }
    assert running == {"authoring", "cli"}
