"""An effect channel that runs one program of the node's own list for each message: no shell, no inherited world.

The arguments come from a template in the settings; ``{key}``, ``{type}``, ``{record}``, ``{fence}``, ``{tenant}`` and
``{parameters.NAME}`` are filled in, each within its own argument. The message is on stdin. Exit code 0 is delivered, 3
was delivered before, 64, 65 and 77 refuse for good (``sysexits``: usage, data, permission); whatever else is tried
again. What it prints is read up to a limit and kept nowhere.
"""

from __future__ import annotations

import os
import re
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from bailiwick.adapters.effectchannel_message import effect_name, message_bytes
from bailiwick.errors import EffectDelayed, EffectRefused
from bailiwick.model import JsonValue, check_tenant
from bailiwick.schema import Schemas

OUTPUT_BYTES_MAX = 1 << 18
"""Most that a program may print on both streams, in bytes, before it is ended."""
TIMEOUT_S = 60
"""Longest run of a program, in seconds, where the settings say nothing else."""
ARGUMENT_CHARACTERS_MAX = 4_096
BEFORE, REFUSALS = 3, frozenset({64, 65, 77})
PLAIN_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
PLACE = re.compile(r"\{(key|type|record|fence|tenant|parameters\.[a-z][a-z0-9_]*)\}")
"""What is filled in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandEffectChannel:
    """Runs a program. ``environ`` is all that it sees of the environment, beside a plain path and locale."""

    command: tuple[str, ...]
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeout_s: int = TIMEOUT_S
    schemas: Schemas = field(default_factory=Schemas)

    def deliver(
        self, tenant: str, key: str, message: Mapping[str, JsonValue], *, fence: int = 0
    ) -> Mapping[str, JsonValue]:
        """Run the program with a message on stdin; see ``ports.EffectChannel``.

        Raises:
            SchemaViolated, InputRefused: it is no message.
            EffectRefused: the program refuses it for good, or a parameter cannot be an argument (``effect-argument``).
            EffectDelayed: it did not start, took too long, printed too much, or failed.
        """
        effect_name(key)
        body = message_bytes(key, message, self.schemas)
        told = {"key": key, "fence": str(fence), "tenant": check_tenant(tenant), **_told(message)}
        words = [_filled(word, told) for word in self.command]
        given = {**PLAIN_ENVIRONMENT, **self.environ, "BAILIWICK_KEY": key, "BAILIWICK_FENCE": str(fence)}
        code = self._run(words, body, given)
        if code in (0, BEFORE):
            return {"delivered": "before" if code == BEFORE else "now", "channel": "command", "status": code}
        if code in REFUSALS:
            raise EffectRefused(
                f"{words[0]} ended with {code}: it refuses this effect for good",
                hint="mend what it complains of, then: bailiwick effects retry --dead",
            )
        how = f"was ended by signal {-code}" if code < 0 else f"ended with {code}"
        raise EffectDelayed(f"{words[0]} {how}", hint="it is run again by itself", code="effect-command")

    def _run(self, words: list[str], body: bytes, environ: Mapping[str, str]) -> int:
        with tempfile.TemporaryFile() as stdin:
            stdin.write(body)
            stdin.seek(0)
            try:
                child = subprocess.Popen(
                    words,
                    executable=words[0],
                    stdin=stdin,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    cwd="/",
                    env=dict(environ),
                    close_fds=True,
                    start_new_session=True,
                )
            except (OSError, ValueError) as error:
                raise EffectDelayed(
                    f"{words[0]} cannot be started: {error}",
                    hint="see [effects.TYPE] in node.toml",
                    code="effect-command",
                ) from error
        try:
            self._drain(child, words[0])
            return child.wait()
        finally:
            # Whatever it started goes with it: a child that stays would act after its time was up.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)
            if child.stdout is not None:
                child.stdout.close()
            child.wait()

    def _drain(self, child: subprocess.Popen[bytes], name: str) -> None:
        """Read what a program prints until it ends; nothing of it is kept."""
        assert child.stdout is not None
        end, read = time.monotonic() + self.timeout_s, 0
        with selectors.DefaultSelector() as selector:
            selector.register(child.stdout, selectors.EVENT_READ)
            while child.poll() is None or selector.select(0):
                if not selector.select(min(0.1, max(0.0, end - time.monotonic()))):
                    if time.monotonic() >= end:
                        raise EffectDelayed(
                            f"{name} did not end within {self.timeout_s} seconds, and was ended",
                            hint="it is run again by itself; timeout_s in node.toml gives it longer",
                            code="effect-timeout",
                        )
                    continue
                piece = os.read(child.stdout.fileno(), 65_536)
                read += len(piece)
                if read > OUTPUT_BYTES_MAX:
                    raise EffectDelayed(
                        f"{name} printed more than {OUTPUT_BYTES_MAX} bytes, and was ended",
                        hint="let it print less; it is run again by itself",
                        code="effect-output",
                    )
                if not piece:
                    break
        try:
            child.wait(max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired as error:
            raise EffectDelayed(
                f"{name} closed its output and did not end within {self.timeout_s} seconds",
                hint="it is run again by itself",
                code="effect-timeout",
            ) from error


def _told(message: Mapping[str, Any]) -> dict[str, str]:
    """Give what a template may name of a message, as text; what is no plain value cannot be named."""
    told = {"type": str(message["type"]), "record": str(message["receipt"]["index"])}
    for name, value in message["parameters"].items():
        if isinstance(value, bool):
            told[f"parameters.{name}"] = "true" if value else "false"
        elif isinstance(value, int | str):
            told[f"parameters.{name}"] = str(value)
    return told


def _filled(word: str, told: Mapping[str, str]) -> str:
    """Fill in one argument.

    Raises:
        EffectRefused: what is named is not there, or would make another kind of argument of it (``effect-argument``).
    """
    missing = [name for name in PLACE.findall(word) if name not in told]
    if missing:
        raise _unfit(f"the effect has no {missing[0]} that could be an argument")
    filled = PLACE.sub(lambda place: told[place[1]], word)
    if "\0" in filled or len(filled) > ARGUMENT_CHARACTERS_MAX:
        raise _unfit(f"an argument of more than {ARGUMENT_CHARACTERS_MAX} characters, or with a zero byte")
    if filled.startswith("-") and not word.startswith("-"):
        raise _unfit("a parameter that begins with a hyphen would be taken for an option")
    return filled


def _unfit(message: str) -> EffectRefused:
    return EffectRefused(message, hint="see command under [effects.TYPE] in node.toml", code="effect-argument")
