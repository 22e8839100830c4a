"""A module's manifest as a frozen value: what it is called, what it asks for, and what its functions take and give.

``read_manifest`` is the boundary: bytes in, a value out, or a refusal that names every fault. Whether the binary keeps
what the manifest says is for ``check.py`` to find out; whether somebody vouches for it, for ``trust``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, TypeAlias

from bailiwick.canonical import canonical_bytes, digest
from bailiwick.engine import SHARES, alias_of
from bailiwick.errors import InputRefused, ModuleRefused
from bailiwick.model import Budget, JsonValue, Tier
from bailiwick.schema import LIMITS, Contract, DocumentLimits, Schemas, parse_document

MANIFEST_BYTES_MAX = 1 << 20
"""Longest manifest that is read, in bytes."""
SHARED = {"enums": "urn:bailiwick:enum:", "inputs": "urn:bailiwick:input:", "types": "urn:bailiwick:type:"}
"""How schemas of functions refer to what a manifest shares among them."""

SCRIPT = "script/1"
"""The form of a module that is the text of a script."""
NATIVE = "native-python/1"
"""The form of a module that is an operator's own Python, in no sandbox: it stays at the desk."""
Version: TypeAlias = tuple[int, int, int]
_LIMITS = DocumentLimits(bytes_max=MANIFEST_BYTES_MAX, depth_max=LIMITS.depth_max)
_RANGE = re.compile(r"(\^|>=|=)?(\d+)\.(\d+)\.(\d+)\Z")


def read_version(text: str) -> Version:
    """Give the three numbers of a semantic version, which compare as versions do.

    >>> read_version("1.10.0") > read_version("1.9.9")
    True
    """
    major, minor, patch = text.split(".")
    return int(major), int(minor), int(patch)


def is_in_range(version: str, wanted: str) -> bool:
    """Say whether a version is in a range: ``*``, ``1.2.3``, ``=1.2.3``, ``>=1.2.3``, or ``^1.2.3``.

    ``^`` allows what keeps the leftmost number that is not zero.

    >>> [is_in_range("1.4.0", each) for each in ("^1.2.0", "^1.5.0", ">=1.0.0", "1.4.0", "*")]
    [True, False, True, True, True]
    >>> is_in_range("0.3.0", "^0.2.0")
    False
    """
    if wanted == "*":
        return True
    found = _RANGE.match(wanted)
    assert found is not None, "the contract of manifests lets no other range through"
    have, least = read_version(version), (int(found[2]), int(found[3]), int(found[4]))
    if found[1] == ">=":
        return have >= least
    if found[1] == "^":
        fixed = next((position for position, number in enumerate(least) if number), 2) + 1
        return have >= least and have[:fixed] == least[:fixed]
    return have == least


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """What a module asks for: functions of one host interface, a scope, and why.

    In a composed module ``interface`` is a name for one part, and ``of`` the interface that it stands for.
    """

    interface: str
    functions: tuple[str, ...]
    scope: Mapping[str, JsonValue]
    reason: str
    of: str | None = None
    part: str | None = None

    @property
    def service(self) -> str:
        """The interface that is really asked for."""
        return self.of or self.interface


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """A module that has to be installed, in a version of a range."""

    name: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedVariant:
    """Another text of a script: its file, the digest of that, and for which of a hundred calls it is.

    With a ``path``, a JSON Pointer into the input, it is only for calls that have one of ``values`` there.
    """

    name: str
    file: str
    digest: str
    percent: int
    path: str = ""
    values: tuple[str | int | bool, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One function: what it takes and gives (JSON Schemas), how it may be run, and the codes by which it refuses."""

    name: str
    title: str
    input: Any
    output: Any
    budget: Budget
    is_cacheable: bool = False
    cache_ttl_sec: int | None = None
    errors: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What ``module.json`` says. ``raw`` is the canonical form, ``digest`` its SHA-256; ``binary`` that of the code.

    ``asked`` are the functions of the host that it asks for, such as ``bailiwick:clock/clock@0.1.0#now``. ``engine`` is
    what runs a script (``script/1``), and ``engine_digest`` which very one, where the manifest says.
    """

    name: str
    version: str
    title: str
    file: str
    binary: str
    abi: str
    tier: Tier
    budget: Budget
    capabilities: tuple[Capability, ...]
    asked: frozenset[str]
    dependencies: tuple[Dependency, ...]
    functions: Mapping[str, Function]
    is_internal: bool
    raw: bytes = field(repr=False)
    digest: str
    shared: Mapping[str, Any] = field(repr=False, default_factory=dict)
    engine: str | None = None
    engine_digest: str | None = None
    stands_for: Mapping[str, str] = field(repr=False, default_factory=dict)
    variants: tuple[StatedVariant, ...] = ()

    @property
    def subject(self) -> str:
        """What messages call it, such as ``module clock-reader 1.0.0``."""
        return f"module {self.name} {self.version}"

    def capability(self, interface: str) -> Capability | None:
        """Give what it asks for of one interface."""
        return next((each for each in self.capabilities if each.interface == interface), None)

    def service(self, interface: str) -> str:
        """Give the interface that a name of the manifest stands for; most stand for themselves."""
        return self.stands_for.get(interface, interface)

    def contract(self, function: str, side: str) -> Contract:
        """Compile what a function takes (``side`` is ``input``) or gives (``output``).

        Raises:
            InputRefused: the schema does not compile, or refers to what is not there.
        """
        schema = getattr(self.functions[function], side)
        return Contract(schema, resources=self.shared)


def parse_manifest(raw: bytes) -> Any:
    """Read the bytes of a ``module.json`` as a value that nobody vouches for yet.

    Raises:
        DocumentRefused: it is not strict JSON, or longer than ``MANIFEST_BYTES_MAX``.
        ModuleRefused: it is no object (code ``module-manifest``).
    """
    value = parse_document(raw, limits=_LIMITS)
    if not isinstance(value, dict):
        raise ModuleRefused("module.json holds no object", hint="see docs/formats/module.md", code="module-manifest")
    return value


def refuse_native(value: Any, what: str) -> None:
    """Refuse the manifest of a native module where it is to be ``what``, such as ``signed``.

    Raises:
        ModuleRefused: code ``module-native``.
    """
    if isinstance(value, Mapping) and value.get("abi") == NATIVE:
        raise ModuleRefused(
            f"module {value.get('name')} is an operator's own Python, in no sandbox: it cannot be {what}",
            hint="start a module with --lang python, take the source over, and build that",
            code="module-native",
        )


def read_manifest(value: Any) -> Manifest:
    """Make a manifest of the value of a ``module.json``, and compile every schema in it.

    Raises:
        SchemaViolated: it breaks the contract of manifests; every violation is named.
        ModuleRefused: two capabilities ask for one interface, or a schema does not compile (``module-manifest``); it is
            native (``module-native``).
        RecordRefused: it is outside the canonical profile (``profile-*``).
    """
    _schemas().check("module-manifest", value)
    refuse_native(value, "installed or called")
    tier = Tier(value["tier"])
    budget = _within(tier.budget, value.get("limits", {}))
    raw = canonical_bytes(value)
    capabilities = tuple(_capability(each) for each in value["capabilities"])
    manifest = Manifest(
        name=value["name"],
        version=value["version"],
        title=value["title"],
        file=value["file"],
        binary=value["digest"],
        abi=value["abi"],
        tier=tier,
        budget=budget,
        capabilities=capabilities,
        asked=frozenset(f"{each.interface}#{function}" for each in capabilities for function in each.functions),
        dependencies=tuple(Dependency(**each) for each in value.get("dependencies", ())),
        functions={name: _function(name, each, budget) for name, each in value["functions"].items()},
        is_internal=value.get("internal", False),
        raw=raw,
        digest=digest(raw),
        shared=_shared(value),
        engine=value.get("engine", {}).get("name"),
        engine_digest=value.get("engine", {}).get("digest"),
        stands_for={each.interface: each.of for each in capabilities if each.of is not None},
        variants=tuple(_variant(each) for each in value.get("variants", ())),
    )
    _check_once(manifest, "capability", [each.interface for each in manifest.capabilities])
    _check_names(manifest)
    _check_form(manifest)
    _check_variants(manifest)
    _check_once(manifest, "dependency", [each.name for each in manifest.dependencies])
    for name in manifest.functions:
        _check_contracts(manifest, name)
    return manifest


@lru_cache(maxsize=1)
def _schemas() -> Schemas:
    return Schemas()


def _check_form(manifest: Manifest) -> None:
    """Refuse a script without an engine, an engine without a script, and a file of another kind than its form."""
    suffix = {"quickjs": ".js", "cpython": ".py"}.get(manifest.engine or "", ".wasm")
    if (manifest.abi == SCRIPT) != (manifest.engine is not None) or not manifest.file.endswith(suffix):
        raise ModuleRefused(
            f"{manifest.subject} is {manifest.abi} in {manifest.file}, run by {manifest.engine or 'no engine'}",
            hint="a script/1 is a .js file with engine quickjs, or a .py file with cpython; others are a .wasm file",
            code="module-form",
        )


def _check_variants(manifest: Manifest) -> None:
    """Refuse variants of what is no script, in another language, twice the same name, and more than all calls."""
    _check_once(manifest, "variant", [each.name for each in manifest.variants])
    suffix = manifest.file.rpartition(".")[2]
    wrong = [each.name for each in manifest.variants if not each.file.endswith(f".{suffix}")]
    percent = sum(each.percent for each in manifest.variants)
    if manifest.variants and manifest.abi != SCRIPT:
        fault, hint = f"has variants and is {manifest.abi}", "variants are of scripts, abi script/1"
    elif wrong:
        fault, hint = f"is a .{suffix} file, its variant {wrong[0]} is not", "write all texts in one language"
    elif percent > SHARES:
        fault, hint = f"gives its variants {percent} of a hundred calls", "give them 100 in all, or less"
    else:
        return
    raise ModuleRefused(f"{manifest.subject} {fault}", hint=hint, code="module-variants")


def _variant(value: Mapping[str, Any]) -> StatedVariant:
    when = value.get("when", {})
    stated = {name: value[name] for name in ("name", "file", "digest", "percent")}
    return StatedVariant(**stated, path=when.get("path", ""), values=tuple(when.get("in", ())))


def _check_names(manifest: Manifest) -> None:
    """Refuse a name that stands for another interface than it reads like: whoever grants it would be misled."""
    for each in manifest.capabilities:
        if (each.of, each.part) == (None, None):
            continue
        if each.of is None or each.part is None or each.interface != alias_of(each.part, each.of):
            raise ModuleRefused(
                f"{manifest.subject} calls {each.of} {each.interface}, which is not its name for a part",
                hint="bailiwick module compose writes these names",
                code="module-manifest",
            )


def _capability(value: Mapping[str, Any]) -> Capability:
    return Capability(
        interface=value["interface"],
        functions=tuple(value["functions"]),
        scope=value.get("scope", {}),
        reason=value["reason"],
        of=value.get("of"),
        part=value.get("part"),
    )


def _function(name: str, value: Mapping[str, Any], budget: Budget) -> Function:
    if "tier" in value:
        small = Tier(value["tier"]).budget
        budget = Budget(
            fuel=min(budget.fuel, small.fuel),
            memory_bytes=min(budget.memory_bytes, small.memory_bytes),
            deadline_ms=min(budget.deadline_ms, small.deadline_ms),
        )
    deadline_ms = min(budget.deadline_ms, value.get("timeout_ms", budget.deadline_ms))
    return Function(
        name=name,
        title=value["title"],
        input=value["input"],
        output=value["output"],
        budget=replace(budget, deadline_ms=deadline_ms),
        is_cacheable=value.get("cacheable", False),
        cache_ttl_sec=value.get("cache_ttl_sec"),
        errors=frozenset(value.get("errors", ())),
    )


def _within(budget: Budget, limits: Mapping[str, int]) -> Budget:
    return replace(
        budget,
        fuel=min(budget.fuel, limits.get("fuel", budget.fuel)),
        memory_bytes=min(budget.memory_bytes, limits.get("memory_bytes", budget.memory_bytes)),
    )


def _shared(value: Mapping[str, Any]) -> dict[str, Any]:
    """Give the shared schemas by the address that others refer to them by."""
    found: dict[str, Any] = {}
    for member, prefix in SHARED.items():
        for name, schema in value.get(member, {}).items():
            found[prefix + name] = {"enum": list(schema)} if member == "enums" else schema
    return found


def _check_once(manifest: Manifest, noun: str, names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ModuleRefused(
            f"the manifest of {manifest.subject} states the {noun} {twice[0]} twice",
            hint="join the two into one",
            code="module-manifest",
        )


def _check_contracts(manifest: Manifest, function: str) -> None:
    for side in ("input", "output"):
        try:
            manifest.contract(function, side)
        except InputRefused as error:
            raise ModuleRefused(
                f"the {side} schema of {function} in the manifest of {manifest.subject}: {error.message}",
                hint=error.hint,
                code="module-manifest",
            ) from error
