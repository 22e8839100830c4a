"""A JSON Schema, compiled once, and everything that a document does against it, all at once.

The one file that names jsonschema_rs. A schema is judged under the dialect that it declares; a missing ``$schema``
means 2020-12. Nothing is ever fetched: a reference that leaves the schema is refused by name. Patterns run in linear
time, or, where they look around, within a counted number of steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from bailiwick.errors import InputRefused, SchemaViolated, Violation
from bailiwick.schema.dialects import DEFAULT_DIALECT, DIALECT_URIS, Dialect
from bailiwick.schema.expansion import check_expansion
from bailiwick.schema.findings import MASK, MESSAGE_CHARACTERS_MAX, violations_of
from bailiwick.schema.limits import is_within
from bailiwick.schema.text import printable, quoted, value_text

if TYPE_CHECKING:
    import jsonschema_rs

VALUE_DEPTH_MAX = 250
"""Deepest nesting of a value or a schema, in levels: native code recurses into both, and ends the process where its
stack ends."""

VIOLATIONS_MAX = 100
"""Most violations that are reported of one document; one entry more says how many there are besides."""

VALUES_LISTED_MAX = 200_000
"""Documents with more values than this are refused by their first violation alone: listing all would cost gigabytes."""

PATTERN_BACKTRACKS_MAX = 20_000
"""Steps back that one match of a look-around or back-reference may take (about half a millisecond)."""

_NO_BASE = "json-schema:///"
"""What the compiler puts before a relative reference of a schema without an address."""

_encode = msgspec.json.Encoder().encode


class Contract:
    """A compiled JSON Schema. Thread-safe.

    Values are those of ``parse_document``: no NaN, text keys, bounded depth; decimals are judged exactly.
    """

    def __init__(
        self,
        schema: Any,
        *,
        assert_formats: bool | None = None,
        resources: Mapping[str, Any] | None = None,
    ) -> None:
        """Compile a schema.

        Args:
            schema: As ``parse_document`` gives it.
            assert_formats: Whether ``format`` refuses; None follows the dialect (draft-04 to draft-07 refuse, later
                ones annotate).
            resources: Further schemas that it may refer to, by their ``$id``.

        Raises:
            SchemaViolated: the schema breaks its own dialect (``schema-invalid``).
            InputRefused: ``schema-dialect`` unknown, ``schema-reference`` that leaves the schema, ``schema-too-deep``,
                ``schema-too-costly``.
        """
        self.dialect, self.is_dialect_declared = _dialect(schema)
        self.assert_formats = self.dialect.asserts_formats if assert_formats is None else assert_formats
        self._depth_max = _check_schema(schema, resources or {})
        self._validator = _compile(schema, self.dialect, self.assert_formats, resources or {})

    def violations(self, value: Any) -> list[Violation]:
        """List what the value breaks, in document order; empty when it is valid.

        Raises:
            InputRefused: the value is no JSON at all (``json-type``, ``json-surrogate``, ``json-too-deep``).
        """
        found, more = self.find(value)
        if more:
            found.append(Violation(path="", rule="more", message=f"and {more} more violations", value=""))
        return found

    def find(self, value: Any) -> tuple[list[Violation], int]:
        """Give up to ``VIOLATIONS_MAX`` violations in document order, and how many there are besides.

        A document of more than ``VALUES_LISTED_MAX`` values gives its first violation alone, and 0.
        """
        size = _weigh(value, "document")
        if self._depth_max is not None and not is_within(value, self._depth_max):
            raise InputRefused(
                f"the document is nested deeper than {self._depth_max} levels, and the schema comes back to itself "
                "along several branches: judging it could take for ever",
                hint="flatten the document, or name each alternative of the schema once",
                code="json-too-deep",
            )
        try:
            if self._validator.is_valid(value):
                return [], 0
            if size > VALUES_LISTED_MAX:
                return [_alone(each) for each in violations_of(self._first(value), value, 1)[0]], 0
            return violations_of(list(self._validator.iter_errors(value)), value, VIOLATIONS_MAX)
        except ValueError as error:
            raise _refused_value(str(error)) from error

    def check(self, value: Any, *, subject: str = "the document") -> None:
        """Refuse a value that breaks the contract.

        Raises:
            SchemaViolated: carries what ``violations`` lists; ``subject`` names the value in its message.
        """
        violations = self.violations(value)
        if violations:
            first = violations[0]
            count = "1 violation" if len(violations) == 1 else f"{len(violations)} violations"
            raise SchemaViolated(
                f"{subject} breaks its contract in {count}; the first, at {first.path or 'the top'}: {first.message}",
                hint="change the values at these paths; each names the rule that it breaks",
                violations=violations,
            )

    def _first(self, value: Any) -> list[jsonschema_rs.ValidationError]:
        import jsonschema_rs

        try:
            self._validator.validate(value)
        except jsonschema_rs.ValidationError as error:
            return [error]
        return []


def _alone(violation: Violation) -> Violation:
    """Say of a violation that nobody looked for others."""
    return replace(violation, message=f"{violation.message}; a document this large is judged up to here")


# --- compiling ------------------------------------------------------------------------------------------------------


def _dialect(schema: Any) -> tuple[Dialect, bool]:
    """Give the dialect that a schema declares, and whether it declares one."""
    declared = schema.get("$schema") if isinstance(schema, dict) else None
    if declared is None:
        return DEFAULT_DIALECT, False
    dialect = DIALECT_URIS.get(declared.removesuffix("#")) if isinstance(declared, str) else None
    if dialect is None:
        raise InputRefused(
            f"the schema declares the dialect {value_text(declared)}, which is not known here",
            hint="known are " + ", ".join(sorted(DIALECT_URIS)),
            code="schema-dialect",
        )
    return dialect, True


def _check_schema(schema: Any, resources: Mapping[str, Any]) -> int | None:
    """Refuse what native code must not see: no schema at all (text would be parsed), too deep, too costly.

    Gives the most levels of a document that may be judged, where the schema sets a limit of its own.
    """
    _weigh(schema, "schema")
    if not isinstance(schema, dict | bool):
        message = "a schema is an object, true or false"
        raise SchemaViolated(
            f"{message}, not {value_text(schema)}",
            hint="give the schema as parse_document reads it",
            violations=[Violation(path="", rule="type", message=message, value=value_text(schema))],
            code="schema-invalid",
        )
    return check_expansion(schema, resources)


def _compile(
    schema: Any, dialect: Dialect, assert_formats: bool, resources: Mapping[str, Any]
) -> jsonschema_rs.Validator:
    import jsonschema_rs

    asked: list[str] = []

    def retrieve(uri: str) -> Any:
        """Give a resource that is known by its name; nothing is ever fetched."""
        if uri not in resources:
            asked.append(uri.removeprefix(_NO_BASE))
            raise LookupError(uri)
        return resources[uri]

    make = getattr(jsonschema_rs, dialect.validator)
    options = jsonschema_rs.FancyRegexOptions(backtrack_limit=PATTERN_BACKTRACKS_MAX)
    try:
        validator: jsonschema_rs.Validator = make(
            schema,
            validate_formats=assert_formats,
            retriever=retrieve,
            pattern_options=options,
            mask=MASK,
        )
    except jsonschema_rs.ValidationError as error:
        raise _refused_schema(error, schema, dialect, asked) from error
    except ValueError as error:
        raise InputRefused(
            f"the schema cannot be compiled: {printable(str(error), MESSAGE_CHARACTERS_MAX)}",
            hint="schemas nest at most 250 levels deep",
            code="schema-too-deep",
        ) from error
    return validator


def _refused_schema(
    error: jsonschema_rs.ValidationError, schema: Any, dialect: Dialect, asked: list[str]
) -> InputRefused:
    """Say why a schema does not compile: a reference that leaves it, or what its own dialect refuses."""
    import jsonschema_rs

    if isinstance(error.kind, jsonschema_rs.ValidationErrorKind.Referencing):
        target = quoted(asked[-1]) if asked else printable(error.message, MESSAGE_CHARACTERS_MAX)
        return InputRefused(
            f"the schema has a reference that does not resolve: {target}",
            hint="put what is referred to into the schema itself, under $defs; nothing is ever fetched",
            code="schema-reference",
        )
    meta = getattr(jsonschema_rs, dialect.validator)({"$ref": dialect.uri}, validate_formats=True, mask=MASK)
    violations, _ = violations_of(list(meta.iter_errors(schema)) or [error], schema, VIOLATIONS_MAX)
    return SchemaViolated(
        f"the schema breaks its dialect {dialect.name}: at {violations[0].path or 'the top'}: {violations[0].message}",
        hint=f"see {dialect.uri}, or declare the dialect that is meant with $schema",
        violations=violations,
        code="schema-invalid",
    )


# --- guarding -------------------------------------------------------------------------------------------------------


def _weigh(value: Any, noun: str) -> int:
    """Bound how many values there are, and refuse what is no JSON before native code recurses into it.

    One pass in C, which meets Python's own recursion limit as native validation does not.
    """
    try:
        encoded = _encode(value)
    except RecursionError as error:
        raise _refused_depth(noun) from error
    except UnicodeEncodeError as error:
        raise InputRefused(
            f"the {noun} holds half a character", hint="send well-formed Unicode", code="json-surrogate"
        ) from error
    except (TypeError, OverflowError, ValueError) as error:
        raise _refused_value(str(error)) from error
    containers = encoded.count(b"[") + encoded.count(b"{")
    if containers > VALUE_DEPTH_MAX and not is_within(value, VALUE_DEPTH_MAX):
        raise _refused_depth(noun)
    return encoded.count(b",") + containers + 1


def _refused_depth(noun: str) -> InputRefused:
    return InputRefused(
        f"the {noun} is nested deeper than {VALUE_DEPTH_MAX} levels",
        hint=f"flatten the {noun}",
        code="schema-too-deep" if noun == "schema" else "json-too-deep",
    )


def _refused_value(reason: str) -> InputRefused:
    return InputRefused(
        f"the value cannot be judged: {printable(reason, MESSAGE_CHARACTERS_MAX)}",
        hint="give what parse_document gives: dict, list, str, int, bool, None and Decimal",
        code="json-type",
    )
