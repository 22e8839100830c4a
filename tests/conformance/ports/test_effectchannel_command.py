"""The command: one program of the node's own list, with a fixed shape of arguments, and nothing of this world."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from bailiwick.adapters.effectchannel_command import OUTPUT_BYTES_MAX, CommandEffectChannel
from bailiwick.canonical import canonical_bytes
from bailiwick.errors import BailiwickError, EffectDelayed, EffectRefused, SchemaViolated
from bailiwick.schema import Schemas
from tests.conformance.ports.test_effectchannel import KEY, message

NOTE = """
import json, os, sys
json.dump(
    {"words": sys.argv[1:], "stdin": sys.stdin.buffer.read().decode(),
     "environ": dict(os.environ), "folder": os.getcwd()},
    open(sys.argv[1], "w"),
)
"""


def program(code: str, *words: str, timeout_s: int = 20, environ=None) -> CommandEffectChannel:
    """Give a channel that runs a few lines of Python."""
    return CommandEffectChannel(
        command=(sys.executable, "-I", "-c", code, *words), environ=environ or {}, timeout_s=timeout_s
    )


def deliver(channel: CommandEffectChannel, **parameters):
    """Deliver one message."""
    return channel.deliver("local", KEY, message(**parameters), fence=40)


def refusal(channel: CommandEffectChannel, kind: type[BailiwickError], **parameters) -> str:
    """Give the code with which a delivery is refused."""
    with pytest.raises(kind) as caught:
        deliver(channel, **parameters)
    return caught.value.code


def test_the_program_gets_the_message_and_nothing_of_this_world(tmp_path: Path, monkeypatch):
    """A program could read this node's secrets, or work in a folder that somebody chose for it."""
    monkeypatch.setenv("SMTP_PASSWORD", "hunter2")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    out = tmp_path / "note.json"
    channel = program(NOTE, str(out), "{type}", "--case={parameters.case}", "{fence}", environ={"TOKEN": "t"})
    came = deliver(channel, case="a b; rm -rf $HOME `id`")
    assert came == {"delivered": "now", "channel": "command", "status": 0}
    told = json.loads(out.read_text())
    assert told["words"][1:] == ["notify-osha-area-office", "--case=a b; rm -rf $HOME `id`", "40"]
    assert told["stdin"].encode() == canonical_bytes(message(case="a b; rm -rf $HOME `id`")) + b"\n"
    given = {name for name in told["environ"] if name not in ("LC_CTYPE",)}
    assert given == {"PATH", "LANG", "TOKEN", "BAILIWICK_KEY", "BAILIWICK_FENCE"}
    assert told["folder"] == "/"
    Schemas().check("effect-result", {"key": KEY, "type": "notify", "record": 17, **came})


@pytest.mark.parametrize(
    ("code", "kind", "word"),
    [
        (3, None, "before"),
        (64, EffectRefused, "effect-refused"),
        (65, EffectRefused, "effect-refused"),
        (77, EffectRefused, "effect-refused"),
        (1, EffectDelayed, "effect-command"),
        (2, EffectDelayed, "effect-command"),
        (75, EffectDelayed, "effect-command"),
    ],
)
def test_the_exit_code_says_what_came_of_it(code: int, kind, word: str):
    """A program could not say that it is done, done before, busy, or will never do it."""
    channel = program(f"raise SystemExit({code})")
    if kind is None:
        assert deliver(channel)["delivered"] == word
    else:
        assert refusal(channel, kind) == word


def test_a_program_that_is_killed_is_run_again():
    """A shortage of memory would give an effect up."""
    assert refusal(program("import os; os.kill(os.getpid(), 9)"), EffectDelayed) == "effect-command"


@pytest.mark.parametrize(
    ("word", "parameters"),
    [
        ("{parameters.case}", {"case": "--delete-all"}),
        ("{parameters.case}", {"case": "-x"}),
        ("{parameters.case}", {"case": "a\0b"}),
        ("{parameters.case}", {"case": "x" * 5_000}),
        ("{parameters.case}", {"case": {"a": 1}}),
        ("{parameters.case}", {"case": None}),
        ("{parameters.case}", {}),
    ],
    ids=["long option", "option", "zero byte", "long", "object", "null", "missing"],
)
def test_a_parameter_cannot_become_another_kind_of_argument(word: str, parameters: dict):
    """An observation could choose what a program of the node does."""
    assert refusal(program("", word), EffectRefused, **parameters) == "effect-argument"


def test_a_parameter_that_is_not_named_reaches_the_program_on_stdin_alone(tmp_path: Path):
    """A hostile value could reach the words of a command by being there."""
    out = tmp_path / "note.json"
    deliver(program(NOTE, str(out)), case="--delete-all", braces="{key}")
    assert json.loads(out.read_text())["words"] == [str(out)]


@pytest.mark.parametrize(
    "code",
    ["import time; time.sleep(60)", "import os, time; os.close(1); os.close(2); time.sleep(60)", "while True: pass"],
    ids=["sleeps", "closes its output", "spins"],
)
def test_a_program_that_does_not_end_is_ended(code: str):
    """One program that hangs would stop every other effect."""
    assert refusal(program(code, timeout_s=1), EffectDelayed) == "effect-timeout"


def test_what_a_program_started_ends_with_it(tmp_path: Path):
    """A child that was left behind would act after its effect was given up."""
    number = tmp_path / "pid"
    code = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"open({str(number)!r}, 'w').write(str(child.pid))\n"
        "time.sleep(60)"
    )
    assert refusal(program(code, timeout_s=3), EffectDelayed) == "effect-timeout"
    state = Path(f"/proc/{number.read_text()}/stat")
    assert not state.exists() or state.read_text().rpartition(")")[2].split()[0] in "ZX"


def test_a_program_that_prints_without_end_is_ended():
    """A program could fill this node's memory."""
    code = "import sys\nwhile True: sys.stdout.write('x' * 65536)"
    assert refusal(program(code), EffectDelayed) == "effect-output"


def test_what_a_program_prints_up_to_the_limit_does_not_hold_it_up():
    """A program would wait for ever for somebody to read what it says."""
    assert deliver(program(f"print('x' * {OUTPUT_BYTES_MAX - 1})"))["delivered"] == "now"


def test_a_program_need_not_read_its_message():
    """A program that acts without looking would break the pipe and fail."""
    assert deliver(program(""), text="x" * 500_000)["delivered"] == "now"


@pytest.mark.parametrize("path", ["/no/such/program", "/", os.devnull])
def test_a_program_that_cannot_be_started_is_tried_again(path: str):
    """A disk that is mounted a minute late would give effects up."""
    assert refusal(CommandEffectChannel(command=(path,)), EffectDelayed) == "effect-command"


def test_what_is_no_message_starts_no_program(tmp_path: Path):
    """Anything could be handed to a program under any key."""
    with pytest.raises(SchemaViolated):
        program(NOTE, str(tmp_path / "note")).deliver("local", KEY, {"key": KEY})
    assert list(tmp_path.iterdir()) == []
