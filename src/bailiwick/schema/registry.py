"""Our own contracts by name: one JSON Schema for each noun that crosses a boundary, compiled when first asked for."""

from __future__ import annotations

import threading
from functools import cached_property
from importlib.resources import files
from typing import Any

from bailiwick.errors import NotFound, Violation
from bailiwick.schema.contract import Contract
from bailiwick.schema.document import parse_document
from bailiwick.schema.text import quoted

SUFFIX = ".json"


class Schemas:
    """The contracts in ``contracts/schemas``. Thread-safe; keep one and pass it on, compiling takes milliseconds.

    >>> Schemas().names()[:2]
    ['answer', 'checkpoint']
    """

    def __init__(self) -> None:
        self._folder = files("bailiwick") / "contracts" / "schemas"
        self._contracts: dict[str, Contract] = {}
        self._lock = threading.Lock()

    def names(self) -> list[str]:
        """List the contracts there are, sorted."""
        return sorted(self._names)

    def schema(self, name: str) -> Any:
        """Give one contract as the JSON Schema that it is.

        Raises:
            NotFound: no contract of that name (``schema-not-found``).
        """
        if name not in self._names:
            raise NotFound(
                f"there is no contract named {quoted(name)}",
                hint="there are " + ", ".join(self.names()),
                code="schema-not-found",
            )
        return parse_document((self._folder / (name + SUFFIX)).read_bytes())

    def contract(self, name: str) -> Contract:
        """Give one contract compiled, formats asserted.

        Raises:
            NotFound: no contract of that name.
        """
        with self._lock:
            if name not in self._contracts:
                self._contracts[name] = Contract(self.schema(name), assert_formats=True, resources=self._resources)
            return self._contracts[name]

    def violations(self, name: str, value: Any) -> list[Violation]:
        """List what a value breaks of one contract, in document order."""
        return self.contract(name).violations(value)

    def check(self, name: str, value: Any) -> None:
        """Refuse a value that breaks one contract.

        Raises:
            SchemaViolated: carries every violation.
            NotFound: no contract of that name.
        """
        self.contract(name).check(value, subject=f"the {name}")

    @cached_property
    def _names(self) -> frozenset[str]:
        entries = (entry.name for entry in self._folder.iterdir())
        return frozenset(name.removesuffix(SUFFIX) for name in entries if name.endswith(SUFFIX))

    @cached_property
    def _resources(self) -> dict[str, Any]:
        """Every contract by its ``$id``, for those that refer to one another."""
        schemas = (self.schema(name) for name in self._names)
        return {schema["$id"]: schema for schema in schemas}
