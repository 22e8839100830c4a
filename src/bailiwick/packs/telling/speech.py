"""What a pack says of its rules, citations, parameters and readings, in one of its languages."""

from __future__ import annotations

from typing import Any

from bailiwick.model import JsonValue
from bailiwick.packs.format.pack import Call, Measure, Pack, Policy, Source, Table, TableRow
from bailiwick.packs.format.parameters import in_force
from bailiwick.packs.telling.texts import Texts, languages_of, texts_of


class Speech:
    """Words and sources for what a decision names."""

    def __init__(self, pack: Pack, language: str | None = None) -> None:
        """Speak for a pack; None is its own language.

        Raises:
            UsageRefused: the pack does not speak it (code ``language``); the hint lists those that it does.
        """
        self.pack = pack
        self.texts: Texts = texts_of(pack, language)
        self._own = _sentences(pack)
        self._tables = {rule.path: rule for level in pack.levels for rule in level.rules if isinstance(rule, Table)}

    @property
    def language(self) -> str:
        """The language that is spoken."""
        return self.texts.language

    @property
    def languages(self) -> tuple[str, ...]:
        """Every language that the pack speaks; its own comes first."""
        return languages_of(self.pack)

    def say(self, key: str, own: str) -> str:
        """Give a sentence by its key (``row fatality``), or else the given one."""
        return self.texts.say(key, own)

    def rule(self, kind: str, name: str) -> str | None:
        """Give the sentence of a rule: its kind is measure, row, effect or assumption."""
        return self.texts.find(f"{kind} {name}", self._own.get((kind, name)))

    def title(self) -> str:
        """Give the pack's title."""
        return self.say("title", self.pack.title)

    def outcome(self, word: str) -> str:
        """Say what an outcome means."""
        return self.say(f"outcome {word}", str(self.pack.outcomes.get(word, word)))

    def name(self, path: str) -> str | None:
        """Say what a fact or parameter is: the question that asks for it, or its title."""
        if path in self.pack.questions:
            return self.say(f"question {path}", self.pack.questions[path].ask)
        own = next((each.title for each in self.pack.parameters if each.path == path), None)
        return None if own is None else self.say(f"parameter {path.removeprefix('p.')}", own)

    def source(self, cite: str) -> Source | None:
        """Give the text of law that a citation is of: the one whose own it begins with, the longest counting."""
        matching = [each for each in self.pack.sources if cite.startswith(each.citation)]
        return max(matching, key=lambda each: len(each.citation), default=None)

    def types(self) -> dict[str, str]:
        """Give the type of every fact, parameter and measure that rules read."""
        rules = [rule for level in self.pack.levels for rule in level.rules]
        measures = [gives for rule in rules for gives in (rule.gives if isinstance(rule, Call) else (rule,))]
        return {each.path: each.type for each in (*self.pack.inputs, *self.pack.parameters, *measures)}

    def rows(self, path: str) -> tuple[TableRow, ...] | None:
        """Give the rows of a decision table; None where the path is none."""
        return self._tables[path].rows if path in self._tables else None

    def stops_at_first(self, path: str) -> bool:
        """Say whether a table takes the first row that holds, and looks at no later one."""
        return path in self._tables and self._tables[path].hit == "first"

    def row(self, path: str, row: TableRow) -> str | None:
        """Give the sentence of a table's row."""
        return self.texts.find(f"table {path.removeprefix('m.')}.{row.id}", row.says)

    def assumptions_of(self, path: str) -> list[str]:
        """Name the assumptions that can stand for a fact."""
        return [each.id for each in self.pack.assumptions if each.path == path]

    def parameter(self, path: str, legal_date: str) -> JsonValue:
        """Give what a parameter is by the law of a day; None where there is none, or none yet."""
        found = next((each for each in self.pack.parameters if each.path == path), None)
        dated = in_force(found, legal_date) if found is not None else None
        return None if dated is None else dated.value

    def reading(self, policy: Policy, name: str) -> dict[str, Any] | None:
        """Tell which reading of a disputed text was followed, and whether it is disputed."""
        reading = policy.reading(name)
        if reading is None:
            return None
        return {
            "id": policy.id,
            "title": self.say(f"policy {policy.id}", policy.title),
            "reading": reading.id,
            "text": self.say(f"reading {policy.id}/{reading.id}", reading.text),
            "cite": list(reading.cite),
            "status": reading.status,
        }


def _sentences(pack: Pack) -> dict[tuple[str, str], str | None]:
    """Give the pack's own sentence of each rule, by kind and name."""
    found: dict[tuple[str, str], str | None] = {("assumption", each.id): each.text for each in pack.assumptions}
    found |= {("row", each.id): each.says for each in pack.rows}
    found |= {("effect", each.id): each.says for each in pack.effects}
    measures = [rule for level in pack.levels for rule in level.rules if isinstance(rule, Measure)]
    return found | {("measure", each.id): each.says for each in measures}
