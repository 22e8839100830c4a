"""What ``node.toml`` says of effects, read once into values: by type, a channel, how stubborn, and its own options.

    [effects.notify-osha-area-office]
    channel = "webhook"
    url = "https://hooks.example.org/osha"
    secret_variable = "OSHA_HOOK_SECRET"

A type that is not named goes to the folder. Which options a channel has, the adapter says. A secret never stands in
the file: an option that ends in ``_variable`` names the environment variable that holds it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bailiwick.errors import UsageRefused
from bailiwick.model import EffectSettings

TYPES_MAX = 256
"""Most types of effects with settings of their own, in number."""
TEXT_CHARACTERS_MAX = 2_000
LIST_MAX = 64
"""Most entries of an option that is a list, in number."""
FOLDER = "folder"
ATTEMPTS_MAX = 12
"""Deliveries that may fail before an effect is given up, where the settings say nothing else: about a day of trying."""
WAIT_FIRST_S, WAIT_MAX_S = 10, 21_600
"""Wait after the first failure and longest wait, in seconds, where the settings say nothing else."""
BOUNDS = {"attempts_max": (1, 1_000), "wait_first_s": (1, 86_400), "wait_max_s": (1, 2_592_000)}

_TYPE = re.compile(r"[a-z][a-z0-9]*([.-][a-z0-9]+)*\Z").match
_OPTION = re.compile(r"[a-z][a-z_]{0,40}\Z").match


def read_effects(tables: Mapping[str, Any]) -> dict[str, EffectSettings]:
    """Read the tables under ``effects``, by type.

    Raises:
        UsageRefused: a type, channel or option that cannot be (``effect-settings``), or too many of them.
    """
    if len(tables) > TYPES_MAX:
        raise refused(f"{len(tables)} types of effects are declared; at most {TYPES_MAX}")
    return {kind: _read(kind, table) for kind, table in sorted(tables.items())}


def settings_of(kind: str, declared: Mapping[str, EffectSettings]) -> EffectSettings:
    """Give the settings of a type of effects: its own, or the folder's."""
    return declared[kind] if kind in declared else _read(kind, {"channel": FOLDER})


def _read(kind: str, table: Any) -> EffectSettings:
    if not _TYPE(kind) or len(kind) > 64:
        raise refused(f"{kind[:80]!r} cannot be a type of effects")
    if not isinstance(table, Mapping):
        raise refused(f"effects.{kind} is not a table")
    options = dict(table)
    channel = options.pop("channel", None)
    if not isinstance(channel, str):
        raise refused(f"effects.{kind} has no channel")
    defaults = {"attempts_max": ATTEMPTS_MAX, "wait_first_s": WAIT_FIRST_S, "wait_max_s": WAIT_MAX_S}
    numbers = {name: _number(kind, name, options.pop(name, default)) for name, default in defaults.items()}
    for name, value in options.items():
        if not _OPTION(name):
            raise refused(f"effects.{kind} has the option {name[:80]!r}, which no channel has")
        if not _is_option(value):
            raise refused(f"effects.{kind}.{name} is neither short text, a whole number, true or false, nor a list")
    return EffectSettings(type=kind, channel=channel, options=options, **numbers)


def _number(kind: str, name: str, value: Any) -> int:
    least, most = BOUNDS[name]
    if type(value) is not int or not least <= value <= most:
        raise refused(f"effects.{kind}.{name} is {str(value)[:40]}, and can be {least} to {most}")
    return value


def _is_option(value: Any) -> bool:
    if isinstance(value, list):
        return len(value) <= LIST_MAX and all(type(each) is str and len(each) <= TEXT_CHARACTERS_MAX for each in value)
    return type(value) in {bool, int} or (type(value) is str and len(value) <= TEXT_CHARACTERS_MAX)


def refused(message: str) -> UsageRefused:
    """Give a refusal of the settings of effects."""
    return UsageRefused(message, hint="mend the tables under [effects.TYPE] in node.toml", code="effect-settings")
