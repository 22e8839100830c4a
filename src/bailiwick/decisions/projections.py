"""What a ledger's records add up to, for people: effects, decisions, packs and the panic switch, at any moment.

Each is a pure fold (``ledger.projection``) over the records of the main job. A record of another shape than the main
job writes stops the fold, which says where: a count that silently left something out would be worse than none.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import fields
from typing import Any

from bailiwick.decisions.effects.folding import NEVER, RESULT, WORDS, fold, keys_of
from bailiwick.decisions.seal import SEALED
from bailiwick.decisions.shelf import INSTALLED
from bailiwick.errors import UsageRefused
from bailiwick.ledger import KEYS, Projection, State
from bailiwick.model import EffectState, JsonValue, QueuedEffect, Record

PANIC_SET = "panic.set"
EVERYWHERE = "everywhere"
"""Whose switch a record is about that does not say: early versions knew only that of the whole node."""


_SETTLED = frozenset({EffectState.DONE, EffectState.CANCELLED, EffectState.REFUSED})
"""States of which nobody can bring an effect back: of those, only that they were is remembered."""


def _fold_effect(state: State, record: Record) -> State:
    open_effects, settled = state["open"], state["settled"]
    for key in dict.fromkeys(keys_of(record)):
        known = open_effects.pop(key, None)
        if known is None and _short(key) in settled:
            if record.event_type == RESULT and record.detail["delivered"] != NEVER:
                settled[_short(key)] = EffectState.DONE.value
            continue
        effect = fold({} if known is None else {key: _read(known)}, [record]).get(key)
        if effect is None:
            continue
        if effect.state not in _SETTLED:
            open_effects[key] = _written(effect)
            continue
        settled[_short(key)] = effect.state.value
        if effect.state is EffectState.DONE:
            state["counts"][effect.type] = state["counts"].get(effect.type, 0) + 1
    return state


def _written(effect: QueuedEffect) -> dict[str, Any]:
    """Write an effect down as JSON, what is as it was at first left out."""
    told = {each.name: getattr(effect, each.name) for each in fields(effect)}
    plain = {name: value for name, value in told.items() if value is not None and name != "again"}
    return plain | {"state": effect.state.value} | ({"again": _written(effect.again)} if effect.again else {})


def _read(written: dict[str, Any]) -> QueuedEffect:
    again = written.get("again")
    plain = {**written, "state": EffectState(written["state"]), "again": None if again is None else _read(again)}
    return QueuedEffect(**plain)


def _short(key: str) -> str:
    """Give as much of an effect's key as its result's resource has: 32 hexadecimal digits."""
    return key.rpartition(":")[2][:32]


def _show_effects(state: State) -> JsonValue:
    effects = sorted((_read(each) for each in state["open"].values()), key=lambda each: (each.record, each.position))
    waiting: list[JsonValue] = [
        {"key": each.key, "type": each.type, "record": each.record, "position": each.position}
        for each in effects
        if each.state is EffectState.WAITING
    ]
    others = [each.state.value for each in effects if each.state is not EffectState.WAITING]
    ended = [each for each in state["settled"].values() if each != EffectState.DONE.value]
    done: dict[str, JsonValue] = dict(state["counts"])
    shown: dict[str, JsonValue] = {"waiting": waiting, "done": sum(state["counts"].values()), "done_by_type": done}
    return shown | ({"others": dict(Counter([*others, *ended]))} if others or ended else {})


EFFECTS = Projection(
    name="effects",
    version=3,
    says="effects that waited, oldest first, how many were done, and how many stood otherwise",
    event_types=frozenset({SEALED, *WORDS}),
    start=lambda: {"counts": {}, "open": {}, "settled": {}},
    fold=_fold_effect,
    show=_show_effects,
)


def _fold_decision(state: State, record: Record) -> State:
    detail: Any = record.detail
    pack = detail["pack"]
    versions = state["packs"].setdefault(pack["name"], {})
    outcomes = versions.setdefault(pack["version"], {})
    outcomes[detail["outcome"]] = outcomes.get(detail["outcome"], 0) + 1
    state["decisions"] += 1
    return state


DECISIONS = Projection(
    name="decisions",
    version=1,
    says="decisions by pack, version and outcome",
    event_types=frozenset({SEALED}),
    start=lambda: {"decisions": 0, "packs": {}},
    fold=_fold_decision,
)


def _fold_pack(state: State, record: Record) -> State:
    detail: Any = record.detail
    state[detail["name"]] = {
        "digest": detail["digest"],
        "modules": detail["modules"],
        "record": record.index,
        "since": record.timestamp,
        "version": detail["version"],
    }
    return state


PACKS = Projection(
    name="packs",
    version=1,
    says="packs that were kept, each at its newest version",
    event_types=frozenset({INSTALLED}),
    start=dict,
    fold=_fold_pack,
)


def _fold_panic(state: State, record: Record) -> State:
    frozen = record.detail["frozen"]
    if not isinstance(frozen, bool):
        raise TypeError(f"frozen is {type(frozen).__name__}")
    scope = str(record.detail.get("scope", EVERYWHERE))
    told = {"by": record.actor.id, "frozen": frozen, "record": record.index, "since": record.timestamp}
    return {**state, scope: told}


def _show_panic(state: State) -> JsonValue:
    """Show the newest word on a switch that freezes, or the newest word at all."""
    told = sorted(state.values(), key=lambda each: (each["frozen"], each["record"]))
    shown: JsonValue = told[-1] if told else {"by": None, "frozen": None, "record": None, "since": None}
    return shown


PANIC = Projection(
    name="panic",
    version=2,
    says="whether effects were frozen, for the tenant or everywhere; null where nobody had set a switch yet",
    event_types=frozenset({PANIC_SET}),
    start=dict,
    fold=_fold_panic,
    show=_show_panic,
)

PROJECTIONS = {each.name: each for each in (DECISIONS, EFFECTS, KEYS, PACKS, PANIC)}
"""Every projection that ships, by name."""


def find_projection(name: str) -> Projection:
    """Give a projection by its name.

    Raises:
        UsageRefused: there is none of that name (code ``projection-unknown``).
    """
    if name not in PROJECTIONS:
        raise UsageRefused(
            f"there is no projection {name[:80]!r}",
            hint=f"one of {', '.join(PROJECTIONS)}",
            code="projection-unknown",
        )
    return PROJECTIONS[name]
