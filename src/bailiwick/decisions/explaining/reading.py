"""Evidence laid out for whoever explains it: its rules by name, and what was known when each of them was judged."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from bailiwick.model import Status
from bailiwick.packs import Judge, Judged, type_of

_STANDS_FOR = re.compile(r"stands for (in\.[A-Za-z0-9_.]+): (.*)", re.S)
NO_ROW = "no row holds"
"""What the trace says of a table that collects where it had nothing to collect."""
ASSUMED = "assumption "
"""What the citation of a read begins with where an assumption stood for the fact."""


class Sealed:
    """One decision's evidence. Everything is taken from it alone, whether or not its pack is still kept."""

    def __init__(self, evidence: Mapping[str, Any], types: Mapping[str, str]) -> None:
        """Lay evidence out.

        Args:
            evidence: As its contract has it.
            types: Of names, as far as the pack tells them; the others are told from their values.
        """
        self.evidence = evidence
        self.trace: list[dict[str, Any]] = evidence["trace"]
        self.given = dict(_flat(evidence["facts"], "in"))
        """The facts as they were given, by path."""
        self.measures = {"m." + each["id"]: each for each in evidence["measurements"]}
        self.entries = {(each["kind"], each["rule"]): each for each in self.trace}
        self.reads = {read["path"]: read for entry in self.trace for read in entry["reads"] if "value" in read}
        """The last that was read of each path with a value; assumptions come before the rules that read by them."""
        self.assumed = {
            path: str(read["cite"]).removeprefix(ASSUMED)
            for path, read in self.reads.items()
            if path.startswith("in.") and str(read.get("cite", "")).startswith(ASSUMED)
        }
        """The assumption that stood for each absent fact that was read."""
        self._presumed = dict(_presumed(self.trace, types))
        told = {path: kind for path, value in self.values().items() if (kind := type_of(value)) is not None}
        self._judge = Judge({**types, **told})

    def values(self) -> dict[str, Any]:
        """Give everything that was known in the end, by path."""
        known = {path: each["value"] for path, each in self.measures.items() if each["status"] == Status.COMPUTED}
        return {**self.given, **self._presumed, **known, **{path: each["value"] for path, each in self.reads.items()}}

    def judge_entry(self, entry: Mapping[str, Any]) -> Judged | None:
        """Judge a rule's expression again, by what it read itself; None where that cannot be done."""
        values = {read["path"]: read["value"] for read in entry["reads"] if "value" in read}
        unknown = [read["path"] for read in entry["reads"] if "value" not in read]
        return self._judge.judge(entry["expression"], values, unknown=unknown, given=self.given)

    def judge(self, text: str, reads: tuple[str, ...], more: Mapping[str, Any]) -> Judged | None:
        """Judge an expression that stands in no trace, by all that was known, and by ``more``."""
        known = {**more, **self.values()}
        values = {path: known[path] for path in reads if path in known}
        return self._judge.judge(text, values, unknown=[path for path in reads if path not in known], given=self.given)

    def measure(self, path: str) -> dict[str, Any] | None:
        """Give the rule or the call that a measure comes from, or None where the evidence has none."""
        name = path.removeprefix("m.")
        return self.entries.get(("measure", name)) or self.entries.get(("call", name))


def stood_for(entry: Mapping[str, Any]) -> tuple[str, str] | None:
    """Give the absent fact that an assumption stood for and the value as the trace writes it; None where it did not."""
    found = _STANDS_FOR.match(str(entry.get("because", ""))) if entry["kind"] == "assumption" else None
    return (found[1], found[2]) if found else None


def is_table(entry: Mapping[str, Any]) -> bool:
    """Say whether a measure was a decision table, by the words that its trace has of rows."""
    return str(entry.get("because", "")).startswith(("row ", "rows ", NO_ROW))


def _presumed(trace: list[dict[str, Any]], types: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    """Give what assumptions stood for, where the type of the fact is known and no list."""
    for entry in trace:
        found = stood_for(entry)
        kind = types.get(found[0]) if found else None
        if found is None or kind not in ("boolean", "integer", "string"):
            continue
        path, text = found
        if kind == "string":
            yield path, text
        elif kind == "boolean" and text in ("true", "false"):
            yield path, text == "true"
        elif kind == "integer" and re.fullmatch(r"-?[0-9]{1,16}", text):
            yield path, int(text)


def _flat(facts: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    """Give every fact that rules could have read, by path, and objects too: ``has()`` asks for them."""
    for name, value in facts.items():
        if value is not None:
            yield f"{path}.{name}", value
        if isinstance(value, dict):
            yield from _flat(value, f"{path}.{name}")
