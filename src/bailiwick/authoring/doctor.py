"""What is missing or odd about a module, before anybody else finds out: findings, each with what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from bailiwick.authoring.cases import read_cases
from bailiwick.authoring.native import NATIVE
from bailiwick.authoring.project import Project
from bailiwick.canonical import digest
from bailiwick.engine import Guest, has_names
from bailiwick.errors import BailiwickError
from bailiwick.model import JsonValue, Tier
from bailiwick.schema import Schemas, parse_document

SIZE_BYTES_LARGE = 4 << 20
"""Size from which a binary is worth a word, in bytes: it compiles for seconds."""
CORE_HOST_IMPORT = "bailiwick#call"
"""The one import of a core module: which interfaces it asks for does not show in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing about a module. A fault keeps it from being used; advice does not."""

    code: str
    level: Literal["fault", "advice"]
    what: str
    hint: str

    def to_json(self) -> dict[str, JsonValue]:
        """Give the finding as JSON."""
        return {"code": self.code, "level": self.level, "what": self.what, "hint": self.hint}


def fault(code: str, what: str, hint: str) -> Finding:
    """Give a finding that keeps a module from being used."""
    return Finding(code=code, level="fault", what=what, hint=hint)


def advice(code: str, what: str, hint: str) -> Finding:
    """Give a finding that keeps nobody from anything."""
    return Finding(code=code, level="advice", what=what, hint=hint)


def fault_of(error: BailiwickError) -> Finding:
    """Give an error as a finding."""
    return fault(error.code, error.message, error.hint)


def manifest_faults(raw: bytes) -> list[Finding]:
    """Find where a ``module.json`` breaks its contract, each with its place; what a build writes in may be missing."""
    try:
        manifest = parse_document(raw)
    except BailiwickError as error:
        return [fault_of(error)]
    complete = manifest
    if isinstance(manifest, dict):
        unbuilt = "sha256:" + "0" * 64
        complete = {"digest": unbuilt, **manifest}
        if isinstance(manifest.get("source"), dict):
            complete["source"] = {"digest": unbuilt, **manifest["source"]}
    return [
        fault("manifest", f"module.json {each.path or '/'}: {each.message} ({each.rule})", "see docs/formats/module.md")
        for each in Schemas().violations("module-manifest", complete)
    ]


def project_findings(project: Project) -> Iterator[Finding]:
    """Find what is odd in what an author wrote: cases, schemas, the tier."""
    manifest = project.manifest
    try:
        tried = {each["function"] for each in read_cases(project.cases)}
    except BailiwickError as error:
        yield fault_of(error)
        tried = set()
    for name, function in sorted(manifest["functions"].items()):
        if name not in tried:
            yield advice("untried", f"no case calls {name}", 'write one into cases.json: {"name", "function", "input"}')
        for side in ("input", "output"):
            if accepts_anything(function[side]):
                yield advice(
                    "schema-open", f"the {side} of {name} may be anything", f"say in functions/{name}/{side} what it is"
                )
    for name in sorted(tried - manifest["functions"].keys()):
        yield fault("case-function", f"a case calls {name}, which the manifest does not have", "mend the case")
    if manifest["abi"] == NATIVE:
        yield advice(
            "native", "it runs as ordinary Python, in no sandbox, and is never installed", "build it with --lang python"
        )


def accepts_anything(schema: Any) -> bool:
    """Say whether a schema lets every value through, or every object with whatever members.

    >>> [accepts_anything(each) for each in ({}, True, {"type": "object"}, {"type": "integer"})]
    [True, True, True, False]
    """
    if schema is True:
        return True
    if not isinstance(schema, Mapping):
        return False
    told = {name: each for name, each in schema.items() if name not in ("title", "description", "$comment", "examples")}
    return not told or told in ({"type": "object"}, {"type": "object", "additionalProperties": True})


def binary_findings(project: Project, wasm: bytes | None) -> Iterator[Finding]:
    """Find where the binary and what it was made of are not of one age."""
    manifest, file = project.manifest, project.manifest["file"]
    if wasm is None:
        yield fault("module-not-built", f"there is no {file}", "bailiwick module build FOLDER")
        return
    if manifest.get("digest") != digest(wasm):
        yield fault(
            "module-digest", f"the manifest states another binary than the {file} that is there",
            "bailiwick module build FOLDER",
        )  # fmt: skip
    source = manifest.get("source", {}).get("digest")
    if source is not None and source != digest(project.sources[project.main]):
        yield fault("source-newer", f"{project.main} was changed after it was built", "bailiwick module build FOLDER")
    if len(wasm) >= SIZE_BYTES_LARGE:
        yield advice(
            "size", f"{file} has {len(wasm):,} bytes, which take seconds to compile once",
            "leave out what the module does not need, or write it in a compiled language",
        )  # fmt: skip


def guest_findings(project: Project, guest: Guest, wasm: bytes) -> Iterator[Finding]:
    """Find where the binary does other things than its manifest says."""
    manifest = project.manifest
    if guest.form != manifest["abi"]:
        yield fault("module-form", f"the binary is {guest.form}, and the manifest says {manifest['abi']}", "mend abi")
    memory = Tier(manifest["tier"]).budget.memory_bytes
    memory = min(memory, manifest.get("limits", {}).get("memory_bytes", memory))
    if guest.memory_bytes_min > memory:
        yield fault(
            "module-memory", f"it starts with {guest.memory_bytes_min:,} bytes of memory, and is given {memory:,}",
            "give it a larger tier",
        )  # fmt: skip
    elif guest.memory_bytes_min * 4 > memory * 3:
        yield advice(
            "memory-tight", f"it starts with {guest.memory_bytes_min:,} of its {memory:,} bytes of memory",
            "give it a larger tier, or ask for less at the start",
        )  # fmt: skip
    if project.is_script:
        return  # what its engine imports and calls its functions says nothing of the text
    yield from _capability_findings(manifest, guest)
    if guest.functions:
        for name in sorted(manifest["functions"].keys() - guest.functions.keys()):
            yield fault("module-function", f"the binary exports no function {name}", "export it, or take it out")
    if not has_names(wasm):
        yield advice(
            "names", "names were stripped from the binary: a profile shows func[N]",
            "keep them while you look for where fuel goes",
        )  # fmt: skip


def _capability_findings(manifest: Mapping[str, Any], guest: Guest) -> Iterator[Finding]:
    asked = {f"{each['interface']}#{name}" for each in manifest["capabilities"] for name in each["functions"]}
    imported = set(guest.imports)
    if CORE_HOST_IMPORT in imported:
        if not asked:
            yield fault("module-unasked", "the binary asks the host for things, and the manifest for nothing", _ASK)
        return
    for name in sorted(imported - asked):
        yield fault("module-unasked", f"the binary imports {name}, which the manifest does not ask for", _ASK)
    for name in sorted(asked - imported):
        yield advice(
            "capability-unused", f"the manifest asks for {name}, which the binary never imports",
            "take it out of capabilities: who grants has less to read",
        )  # fmt: skip


_ASK = "name it in capabilities, with a reason"
