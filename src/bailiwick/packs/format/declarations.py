"""What a pack declares (sources, facts, parameters, names of measures, units, outcomes), and the checks against it.

Every check notes its fault and goes on. What a broken document would have declared is not held against the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bailiwick.packs.format.dated import parameters_of
from bailiwick.packs.format.documents import Document, Faults
from bailiwick.packs.format.inputs import Place, fields_of, places_of
from bailiwick.packs.format.pack import FORMAT_1, INPUT_SCHEMA, InputField, Parameter, Source
from bailiwick.packs.language.expressions import TYPES, Expression, Language
from bailiwick.packs.language.syntax import SyntaxFault

_AFTER_CITATION = ("(", ",", ";", " ")
"""What may follow a source's citation in a ``cite``: a paragraph, or words."""


class Declarations:
    """The names of one pack, and everything that its rules are checked against."""

    def __init__(self, documents: Mapping[str, Document], schema: Any, faults: Faults) -> None:
        """Collect what the documents declare.

        Args:
            documents: Every YAML file that could be read, by path.
            schema: The input schema, or None where it could not be used.
            faults: Takes what is found wrong.
        """
        self.documents, self.faults = documents, faults
        manifest = documents.get("pack.yaml")
        self.manifest: dict[str, Any] = manifest.value if manifest else {}
        self.has_schema = schema is not None
        self.names_are_sure = self._declares_all()
        self.sources = tuple(self._sources())
        self.inputs = fields_of(schema)
        self.places: Mapping[str, Place] = {place.path: place for place in places_of(schema)}
        """Every fact by its path: those too that no rule can read."""
        self.types: dict[str, str] = {field.path: field.type for field in self.inputs}
        self.measures: dict[str, tuple[str, str]] = {}
        """Where each measure, table and what a call gives is declared: file and pointer."""
        for field in self.inputs:
            self.check_unit(INPUT_SCHEMA, self.places[field.path].pointer + "/x-unit", field.unit)
        self.parameters: tuple[Parameter, ...] = tuple(parameters_of(self))
        self._declare_measures()
        self.language = Language(self.types, has_calendar=not self.is_first)
        self.paths_read: set[str] = set()

    @property
    def is_first(self) -> bool:
        """Whether the pack is of the first version of the format."""
        return self.manifest.get("format") == FORMAT_1

    # --- reading documents --------------------------------------------------------------------------------------------

    def sound_items(self, path: str, key: str) -> Iterator[tuple[Document, str, dict[str, Any]]]:
        """Give the items of one document that its schema accepts, with their pointers."""
        document = self.documents.get(path)
        for pointer, item in document.items(key) if document else []:
            if document is not None and document.is_sound(pointer):
                yield document, pointer, item

    def folder(self, prefix: str) -> list[Document]:
        """Give the documents of one folder, in order of their names."""
        return [self.documents[path] for path in sorted(self.documents) if path.startswith(prefix)]

    def inputs_read(self) -> tuple[InputField, ...]:
        """Give the inputs that some expression reads; the others are never bound."""
        return tuple(field for field in self.inputs if field.path in self.paths_read)

    # --- checks -------------------------------------------------------------------------------------------------------

    def fault(self, document: Document | str, pointer: str, rule: str, message: str, value: object = "") -> None:
        """Note one fault."""
        file = document if isinstance(document, str) else document.file
        self.faults.add(file, pointer, rule, message, value)

    def check_once(self, document: Document, pointer: str, name: str, seen: set[str]) -> None:
        """Note a name that stands twice."""
        if name in seen:
            self.fault(document, pointer, "duplicate", f"{name} stands twice", name)
        seen.add(name)

    def check_outcome(self, document: Document, pointer: str, outcome: str) -> None:
        """Note an outcome that the pack's vocabulary lacks."""
        known = self._vocabulary("outcomes")
        if known is not None and outcome not in known:
            self.fault(document, pointer, "outcome", f"{outcome} is not in the vocabulary of pack.yaml", outcome)

    def check_unit(self, document: Document | str, pointer: str, unit: str | None) -> None:
        """Note a unit that the pack does not explain."""
        known = self._vocabulary("units")
        if unit is not None and known is not None and unit not in known:
            self.fault(document, pointer, "unit", f"{unit} is not among the units of pack.yaml", unit)

    def check_fact(self, document: Document, pointer: str, path: str) -> bool:
        """Note a fact that the schema does not have; say whether it has it."""
        if self.has_schema and path not in self.places:
            self.fault(document, pointer, "name", f"{path} is not in the input schema", path)
        return path in self.places

    def check_name(self, document: Document, pointer: str, name: str) -> None:
        """Note a measure that nobody declares."""
        if self.names_are_sure and name not in self.measures:
            self.fault(document, pointer, "name", f"{name} is no measure of this pack", name)

    def check_cite(self, document: Document, pointer: str, cite: str) -> Source | None:
        """Note a citation of no source, or of a source that never was law; give the source."""
        document_of_sources = self.documents.get("sources.yaml")
        if document_of_sources is None or document_of_sources.broken:
            return None
        matching = [each for each in self.sources if _is_cited(each.citation, cite)]
        if not matching:
            self.fault(document, pointer, "cite", "this citation begins with none of the sources of sources.yaml", cite)
            return None
        source = max(matching, key=lambda each: len(each.citation))
        if source.status == "never-in-force":
            self.fault(document, pointer, "cite", f"{source.citation} never was in force: no rule rests on it", cite)
        return source

    def cites(self, document: Document, pointer: str, item: Mapping[str, Any]) -> tuple[str, ...]:
        """Give the citations of a rule, checked."""
        cites = item["cite"] if isinstance(item["cite"], list) else [item["cite"]]
        for cite in cites:
            self.check_cite(document, f"{pointer}/cite", cite)
        return tuple(cites)

    def expression(
        self,
        document: Document,
        pointer: str,
        text: str,
        kind: str | None,
        *,
        raw: bool = False,
        language: Language | None = None,
    ) -> Expression | None:
        """Compile an expression, and note why not.

        Args:
            document: Where it stands.
            pointer: The place in the document.
            text: The expression.
            kind: The type that it must have; None takes any.
            raw: Whether it may read inputs and parameters alone.
            language: What compiles it, where that is not the language of the rules; then what it reads is not noted.
        """
        try:
            expression = (language or self.language).compile(text, kind)
        except SyntaxFault as fault:
            if self.names_are_sure or fault.rule != "name":
                self.fault(document, pointer, fault.rule, str(fault), text)
            return None
        for path in expression.reads:
            if raw and path.startswith("m."):
                self.fault(document, pointer, "name", f"{path} comes later: this may read in.* and p.* alone", text)
        if language is None:
            self.paths_read.update(expression.reads)
        return expression

    # --- collecting ---------------------------------------------------------------------------------------------------

    def _vocabulary(self, key: str) -> dict[str, Any] | None:
        """Give the words that ``pack.yaml`` explains; None where it cannot be read."""
        words = self.manifest.get(key, {}) if "pack.yaml" in self.documents else None
        return words if isinstance(words, dict) else None

    def _declares_all(self) -> bool:
        """Say whether every document that declares names could be read, so that an unknown name is a fault."""
        folders = ("parameters/", "rules/measures.yaml", "rules/tables/", "rules/calls.yaml")
        lost = {fault.path.partition(":")[0].partition("#")[0] for fault in self.faults.found} - self.documents.keys()
        return self.has_schema and not any(path.startswith(folders) for path in lost)

    def _sources(self) -> Iterator[Source]:
        seen: set[str] = set()
        for document, pointer, item in self.sound_items("sources.yaml", "sources"):
            self.check_once(document, f"{pointer}/id", item["id"], seen)
            self.check_once(document, f"{pointer}/citation", item["citation"], seen)
            yield Source(
                id=item["id"],
                citation=item["citation"],
                title=item["title"],
                status=item["status"],
                valid_from=item.get("from"),
                valid_to=item.get("to"),
                url=item.get("url"),
                retrieved=item.get("retrieved"),
                sha256=item.get("sha256"),
                oscal=item.get("oscal"),
            )

    def _declare_measures(self) -> None:
        document = self.documents.get("rules/measures.yaml")
        for pointer, item in document.items("measures") if document else []:
            assert document is not None
            self.declare(document, pointer, item, "m")
        for table in self.folder("rules/tables/"):
            self.declare(table, "", table.value, "m")
        calls = self.documents.get("rules/calls.yaml")
        for pointer, item in calls.items("calls") if calls else []:
            assert calls is not None
            given = item.get("gives")
            for position, each in enumerate(given if isinstance(given, list) else []):
                if isinstance(each, dict):
                    self.declare(calls, f"{pointer}/gives/{position}", each, "m")

    def declare(self, document: Document, pointer: str, item: Mapping[str, Any], root: str) -> None:
        """Declare the name and type of a parameter (root ``p``) or a measure (``m``); note one that stands twice."""
        name, kind = item.get("id"), item.get("type")
        path = f"{root}.{name}"
        if path in self.types:
            self.fault(document, f"{pointer}/id", "duplicate", f"{name} is declared twice", name)
        elif isinstance(name, str) and kind in TYPES:
            self.types[path] = str(kind)
            if root == "m":
                self.measures[name] = (document.file, pointer)
        else:
            self.names_are_sure = False


def _is_cited(citation: str, cite: str) -> bool:
    """Say whether a cite is of this citation: itself, or a paragraph of it."""
    return cite == citation or (cite.startswith(citation) and cite[len(citation)] in _AFTER_CITATION)
