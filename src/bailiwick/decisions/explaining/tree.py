"""An explanation drawn for people: one line for each thing, and below it what it rests on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bailiwick.decisions.explaining.wording import Wording

_GROUPS = {"impact": "impacts", "row": "impacts", "measure": "measures", "call": "calls", "effect": "effects"}
"""Under which heading a kind of rule stands, in the order in which people ask for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """One line of an explanation, and what it rests on."""

    text: str
    branches: tuple[Branch, ...] = ()


def draw(told: Mapping[str, Any]) -> Branch:
    """Draw an explanation, as its JSON has it."""
    return _Drawing(told).whole()


class _Drawing:
    """One tree in the making."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        self._told = told
        self._word = Wording(told["language"])

    def whole(self) -> Branch:
        """Give the whole tree."""
        told, impact = self._told, self._told["impact"]
        head = self._word("head", record=told["record"], outcome=impact["outcome"], day=told["legal_date"])
        reason = [impact["reason"], *([impact["text"]] if "text" in impact else [])]
        return Branch(
            text=head,
            branches=(
                *(Branch(text=each) for each in dict.fromkeys(reason)),
                *(self._obligation(each) for each in impact["obligations"]),
                *(Branch(text=self._word("asks", type=each["type"])) for each in told["effects"]),
                *self._groups(),
                *self._list("assumptions", [self._rule(each) for each in told["assumptions"]]),
                *self._list("policies", [self._policy(each) for each in told["policies"]]),
                self._origin(),
            ),
        )

    def _list(self, heading: str, branches: list[Branch]) -> Iterator[Branch]:
        if branches:
            yield Branch(text=self._word(heading), branches=tuple(branches))

    def _groups(self) -> Iterator[Branch]:
        grouped: dict[str, list[Branch]] = {heading: [] for heading in _GROUPS.values()}
        for rule in self._told["rules"]:
            grouped[_GROUPS[rule["kind"]]].append(self._rule(rule))
        for heading, branches in grouped.items():
            yield from self._list(heading, branches)

    def _origin(self) -> Branch:
        told = self._told
        pack = told["pack"]
        lines = [self._word("pack", **{name: pack[name] for name in ("name", "version", "digest")})]
        if "superseded_by" in pack:
            later = pack["superseded_by"]
            lines.append(self._word("corrected", version=later["version"], reason=later["reason"]))
        if not pack["kept"]:
            lines.append(self._word("lost", code=pack["lost"]["code"]))
        lines += [self._word("module", name=each["name"], digest=each["digest"]) for each in told["modules"]]
        lines.append(self._word("observation", digest=told["observation"]))
        lines.append(self._word("evidence", digest=told["evidence"]))
        lines.append(self._word("decided", moment=told["decided_at"]))
        if "leaf" in told["receipt"]:
            lines.append(self._word("receipt", **told["receipt"]))
        return Branch(text=self._word("origin"), branches=tuple(Branch(text=line) for line in lines))

    def _obligation(self, duty: Mapping[str, Any]) -> Branch:
        within = duty["within_minutes"]
        deadline = "" if within is None else self._word("within", duration=self._duration(within))
        due = self._word("by", moment=duty["due_at"]) if duty["due_at"] else ""
        return Branch(text=f"{self._word('must', text=duty['text'].rstrip('.'))}{deadline}{due} [{duty['cite']}]")

    def _policy(self, policy: Mapping[str, Any]) -> Branch:
        key = "disputed" if policy["status"] == "disputed" else "reading"
        text = self._word(key, title=policy.get("title", policy["id"]), text=policy["text"] or policy["reading"])
        return Branch(text=text + _cites(policy["cite"]))

    # --- rules --------------------------------------------------------------------------------------------------------

    def _rule(self, rule: Mapping[str, Any]) -> Branch:
        lines = [Branch(text=rule[key]) for key in ("text", "because") if key in rule and self._is_said(rule, key)]
        if rule.get("recomputed") == "differs":
            lines.insert(0, Branch(text=self._word("differs")))
        is_deep = rule["kind"] != "measure" or "reads" not in rule
        below = [*self._rows(rule, is_deep), *(self._reason(each, is_deep) for each in rule.get("why", ()))]
        if not below or rule.get("value") not in (False, None):
            below += [self._read(each) for each in rule.get("reads", ())]
        return Branch(
            text=f"{rule['rule']} = {self._value(rule)}{_cites(rule.get('cite', []))}", branches=(*lines, *below)
        )

    def _is_said(self, rule: Mapping[str, Any], key: str) -> bool:
        """Say whether a line helps: a sentence where the rule holds, and ``because`` where nothing better is known."""
        if key == "text":
            return rule["value"] not in (False, None) or rule["kind"] == "assumption"
        return not rule.get("why") and not rule.get("rows")

    def _value(self, rule: Mapping[str, Any]) -> str:
        if rule["status"] != "computed":
            return self._word(rule["status"])
        unit = f" {rule['unit']}" if "unit" in rule else ""
        return f"{self._said(rule['value'])}{unit}"

    def _rows(self, rule: Mapping[str, Any], is_deep: bool) -> Iterator[Branch]:
        for row in rule.get("rows", ()):
            if row["holds"] is True:
                said = (Branch(text=row["text"]),) if "text" in row else ()
                text = self._word("row-holds", row=row["row"], when=row["when"])
                yield Branch(text=text + _cites(row.get("cite", [])), branches=said)
            else:
                why = tuple(self._reason(each, is_deep) for each in row.get("why", ()))
                yield Branch(text=self._word("row", row=row["row"], when=row["when"]), branches=why)

    def _reason(self, reason: Mapping[str, Any], is_deep: bool) -> Branch:
        """Draw a clause that failed; the rules that it rests on in full, or by name where they stand beside it."""
        key = "fails" if reason["holds"] is False else "unsure"
        below = [
            *(Branch(text=each) for each in reason.get("causes", ())),
            *(self._read(each) for each in reason["reads"] if not self._is_below(each, reason)),
            *(self._rule(each if is_deep else _named(each)) for each in reason.get("rests_on", ())),
        ]
        return Branch(text=self._word(key, clause=reason["clause"]), branches=tuple(below))

    def _is_below(self, read: Mapping[str, Any], reason: Mapping[str, Any]) -> bool:
        """Say whether a measure that was read is told in full below."""
        return any(read["path"] == f"m.{each['rule']}" for each in reason.get("rests_on", ()))

    def _read(self, read: Mapping[str, Any]) -> Branch:
        name = (Branch(text=read["name"]),) if "name" in read else ()
        if read.get("unknown"):
            return Branch(text=self._word("unknown", path=read["path"]), branches=name)
        unit = f" {read['unit']}" if "unit" in read else ""
        text = self._word("is", path=read["path"], value=self._said(read["value"])) + unit
        text += self._word("from", day=read["from"]) if "from" in read else ""
        text += self._word("assumed", name=read["assumed_by"]) if "assumed_by" in read else ""
        text += f" [{read['cite']}]" if "cite" in read else ""
        return Branch(text=text, branches=name)

    def _said(self, value: Any) -> str:
        if isinstance(value, bool):
            return self._word("yes" if value else "no")
        if isinstance(value, list):
            return ", ".join(map(self._said, value))
        return self._word("nothing") if value is None else str(value)

    def _duration(self, minutes: int) -> str:
        """Write minutes as people do: 8 hours, 1 hour 30 minutes."""
        hours, rest = divmod(minutes, 60)
        parts = [(hours, "hour"), (rest, "minute")]
        told = [f"{count} {self._word(unit if count == 1 else unit + 's')}" for count, unit in parts if count]
        return " ".join(told) or self._word("no-time")


def _named(rule: Mapping[str, Any]) -> dict[str, Any]:
    """Give a rule without what it rests on."""
    return {name: value for name, value in rule.items() if name not in ("why", "rows", "text")}


def _cites(cites: list[Mapping[str, Any]]) -> str:
    return f" [{'; '.join(each['cite'] for each in cites)}]" if cites else ""
