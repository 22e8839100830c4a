"""What the evidence names, told for people: in the pack's words where it is kept, else as it was sealed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bailiwick.decisions.explaining.reading import ASSUMED, Sealed
from bailiwick.model import Status
from bailiwick.packs import Judged, Speech

_ROW = re.compile(r"row ([a-z0-9][a-z0-9_-]*):")


class Sayings:
    """Tells reads, citations, measures and tables of one decision."""

    def __init__(self, sealed: Sealed, speech: Speech | None) -> None:
        self._sealed, self.speech = sealed, speech

    def text(self, kind: str, name: str, own: str | None = None) -> str | None:
        """Give the sentence of a rule in the language, or the sealed one."""
        return own if self.speech is None else self.speech.rule(kind, name) or own

    def say(self, key: str, own: str) -> str:
        """Give a sentence in the language, or the sealed one."""
        return own if self.speech is None else self.speech.say(key, own)

    def cites(self, cites: list[str]) -> list[dict[str, Any]]:
        """Give citations with the texts of law that they are of."""
        return [self.cite(each) for each in cites]

    def cite(self, cite: str) -> dict[str, Any]:
        """Give a citation with the text of law that it is of."""
        source = None if self.speech is None else self.speech.source(cite)
        return {"cite": cite} if source is None else {"cite": cite, "source": source.to_json()}

    def read(self, read: Mapping[str, Any]) -> dict[str, Any]:
        """Tell a value that a rule read: of a parameter its date and source, of a fact the assumption behind it."""
        path, cite = str(read["path"]), read.get("cite")
        told = {name: read[name] for name in ("path", "value", "unknown", "unit", "from") if name in read}
        if isinstance(cite, str) and path.startswith("in.") and cite.startswith(ASSUMED):
            told["assumed_by"] = cite.removeprefix(ASSUMED)
        elif isinstance(cite, str):
            told |= self.cite(cite)
        name = None if self.speech is None else self.speech.name(path)
        return told | ({"name": name} if name else {})

    def measured(self, path: str) -> dict[str, Any]:
        """Tell what a measure came to."""
        name = path.removeprefix("m.")
        measured = self._sealed.measures.get(path, {"status": Status.INDETERMINATE.value, "value": None})
        told = {"rule": name, "kind": "", "status": measured["status"], "value": measured["value"]}
        told["kind"] = "call" if ("call", name) in self._sealed.entries else "measure"
        more = {"unit": measured.get("unit"), "text": self.text("measure", name), "cause": measured.get("cause")}
        return told | {key: value for key, value in more.items() if value is not None}

    def assumptions_of(self, path: str) -> list[str]:
        """Name the assumptions that were tried for a fact and gave it no value."""
        named = [] if self.speech is None else self.speech.assumptions_of(path)
        return [each for each in named if ("assumption", each) in self._sealed.entries]

    def rows(self, path: str) -> list[dict[str, Any]] | None:
        """Tell the rows of a table up to the one that decides, with what each came to; None where it is no table.

        Without the pack only the row that the evidence names is known.
        """
        entry = self._sealed.measure(path)
        if entry is None:
            return None
        rows = None if self.speech is None else self.speech.rows(path)
        if rows is None:
            named = _ROW.match(str(entry.get("because", ""))) if self.speech is None else None
            return [{"row": named[1], "when": entry["expression"], "holds": True}] if named else None
        told: list[dict[str, Any]] = []
        assert self.speech is not None
        for row in rows:
            judged = self.judge(row.when.text, row.when.reads)
            holds = judged.value if judged is not None and judged.is_known else None
            text = self.speech.row(path, row)
            told.append(
                {"row": row.id, "when": row.when.text, "holds": holds, "cite": self.cites(list(row.cite))}
                | ({"text": text} if text else {})
            )
            if self.speech.stops_at_first(path) and holds is not False:
                break
        return told

    def judge_row(self, path: str, name: str) -> Judged | None:
        """Judge the condition of one row of a table."""
        rows = () if self.speech is None else self.speech.rows(path) or ()
        row = next((each for each in rows if each.id == name), None)
        return None if row is None else self.judge(row.when.text, row.when.reads)

    def judge(self, text: str, reads: tuple[str, ...]) -> Judged | None:
        """Judge an expression of the pack that stands in no trace, by all that was known."""
        day = str(self._sealed.evidence["legal_date"])
        beside = {path: value for path in reads if (value := self._parameter(path, day)) is not None}
        return self._sealed.judge(text, reads, beside)

    def reads_of(self, paths: tuple[str, ...]) -> list[dict[str, Any]]:
        """Tell the values behind names that stand in no trace."""
        known = self._sealed.values()
        day = str(self._sealed.evidence["legal_date"])
        found = []
        for path in paths:
            value = known.get(path, self._parameter(path, day))
            plain = {"path": path, "unknown": True} if value is None else {"path": path, "value": value}
            found.append({**plain, **self._sealed.reads.get(path, {})})
        return found

    def _parameter(self, path: str, day: str) -> Any:
        return None if self.speech is None or not path.startswith("p.") else self.speech.parameter(path, day)
