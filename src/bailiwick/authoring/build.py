"""From source to binary: the toolchain of the language, and the manifest completed with what came out."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from bailiwick.authoring.native import NATIVE
from bailiwick.authoring.project import CONTRACT, MANIFEST, WORLD_FILE, Project
from bailiwick.canonical import digest
from bailiwick.errors import InputRefused, UsageRefused
from bailiwick.ports import BuildOrder, Toolchain
from bailiwick.schema import Schemas

WORLD = "module"
"""The world that a component of the fast form fills."""
COMPONENT_CALL, COMPONENT_TYPED = "component-call/1", "component/1"
WORLD_PATTERN = re.compile(rb"^\s*world\s+([a-z][a-z0-9-]{0,63})\s*\{", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A module that was built: its binary, and its manifest as JSON text, complete but unsigned.

    Of a script the binary is its text, which its author has already.
    """

    name: str
    file: str
    wasm: bytes
    manifest: bytes
    is_script: bool = False

    @property
    def digest(self) -> str:
        """SHA-256 of the binary, with its name."""
        return digest(self.wasm)

    @property
    def files(self) -> dict[str, bytes]:
        """What goes back into the module's folder, by name."""
        return {MANIFEST: self.manifest} if self.is_script else {self.file: self.wasm, MANIFEST: self.manifest}


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two builds of one source: their digests, and whether this toolchain promises that they are the same."""

    first: str
    second: str
    is_promised: bool

    @property
    def is_same(self) -> bool:
        """Whether they came out the same."""
        return self.first == self.second


def build(project: Project, toolchain: Toolchain) -> Built:
    """Build a module, and write digest, source and compiler into its manifest.

    Raises:
        InputRefused: it does not compile (``build-failed``), or asks for an interface that there is no contract of
            (``module-interface-unknown``).
        Unavailable: the toolchain is missing or too slow.
        SchemaViolated: the completed manifest breaks its contract.
    """
    if project.manifest["abi"] == NATIVE:
        raise UsageRefused(
            f"module {project.name} is native: there is nothing to build",
            hint="bailiwick module dev FOLDER runs it as it is",
            code="module-native",
        )
    compiler = toolchain.version()
    answer = toolchain.build(_order(project))
    manifest: dict[str, Any] = {**project.manifest, "digest": digest(answer.wasm)}
    if project.is_script:
        manifest |= _variants(project)
    else:
        manifest["source"] = {"file": project.main, "digest": digest(project.sources[project.main])}
        manifest["build"] = {"compiler": compiler, "command": list(answer.command)}
    Schemas().contract(CONTRACT).check(manifest, subject=MANIFEST)
    text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
    return Built(
        name=project.name,
        file=str(manifest["file"]),
        wasm=answer.wasm,
        manifest=text.encode(),
        is_script=project.is_script,
    )


def compare_builds(project: Project, toolchain: Toolchain) -> Comparison:
    """Build twice, each in a new folder, and compare.

    Raises: as ``build``.
    """
    first, second = (build(project, toolchain).digest for _ in range(2))
    return Comparison(first=first, second=second, is_promised=toolchain.is_reproducible)


def _variants(project: Project) -> dict[str, Any]:
    """Give the variants of a script with the digests of their texts."""
    stated = project.manifest.get("variants", ())
    found = [{**each, "digest": digest(project.sources[each["file"]])} for each in stated]
    return {"variants": found} if found else {}


def _order(project: Project) -> BuildOrder:
    abi = project.manifest["abi"]
    if abi == COMPONENT_TYPED:
        found = WORLD_PATTERN.search(project.world)
        if found is None:
            raise InputRefused(
                f"module {project.name} has typed exports, and no {WORLD_FILE} that says which",
                hint=f"write its world into {WORLD_FILE}, or make its abi {COMPONENT_CALL}",
                code="module-world",
            )
        wit, world = {WORLD_FILE: project.world, **_contracts(project)}, found[1].decode()
    else:
        world = WORLD if abi == COMPONENT_CALL else ""
        wit = {"module.wit": _world(project), **_contracts(project)} if world else {}
    return BuildOrder(
        name=project.name,
        main=project.main,
        sources=project.sources,
        wit=wit,
        world=world,
        is_typed=abi == COMPONENT_TYPED,
    )


def _interfaces(project: Project) -> list[str]:
    return sorted({str(each["interface"]) for each in project.manifest["capabilities"]})


def _world(project: Project) -> bytes:
    """Write the world that the module fills: what it asks for as imports, and ``call`` as its export."""
    lines = ["package bailiwick:module@0.1.0;", "", f"world {WORLD} {{"]
    lines += [f"  import {interface};" for interface in _interfaces(project)]
    lines += ["  export call: func(function: string, input: string) -> result<string, string>;", "}", ""]
    return "\n".join(lines).encode()


def _contracts(project: Project) -> Mapping[str, bytes]:
    """Give the WIT of the packages that the module asks for, where a compiler looks for them."""
    found = {}
    contracts = files("bailiwick") / "contracts" / "wit"
    for interface in _interfaces(project):
        package = interface.partition("/")[0].removeprefix("bailiwick:")
        contract = contracts / f"{package}.wit"
        if not contract.is_file():
            raise InputRefused(
                f"module {project.name} asks for {interface}, and there is no contract bailiwick:{package}",
                hint="ask for interfaces of docs/formats/module.md only",
                code="module-interface-unknown",
            )
        found[f"deps/{package}/{package}.wit"] = contract.read_bytes()
    return found
