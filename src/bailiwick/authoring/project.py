"""What an author wrote: the manifest as far as it goes, the sources, the cases.

The manifest of a module that was never built lacks ``digest`` and ``build``; ``build`` writes them in. Apart from that
it is held to the contract from the first day on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any

from bailiwick.errors import InputRefused, NotFound
from bailiwick.schema import Schemas, parse_document

MANIFEST = "module.json"
CASES = "cases.json"
WORLD_FILE = "world.wit"
"""An author's own world, which a module with typed exports fills."""
CONTRACT = "module-manifest"
UNBUILT = "sha256:" + "0" * 64
"""Stands for the digest while a manifest without one is checked."""

LANGUAGES = {
    ".py": "python",
    ".js": "javascript",
    ".c": "c",
    ".zig": "zig",
    ".wat": "wat",
    ".ts": "assemblyscript",
    ".rs": "rust",
}
"""Which language a main file is in, by its suffix."""
SCRIPT = "script/1"
"""The form of a module that is the text of a script: there is nothing to compile."""
STARTED = (*sorted(LANGUAGES.values()), "native", "script-js", "script-py")
"""What a module can be started in: a language, ``native`` for Python that is not built, or a script."""
COMPANIONS = {
    ".py": (".py",),
    ".js": (".js", ".json"),
    ".c": (".c", ".h"),
    ".zig": (".zig",),
    ".wat": (),
    ".ts": (".ts",),
    ".rs": (".rs",),
}
"""Which files beside the main one belong to its sources, by suffix."""
NOT_SOURCES = frozenset({MANIFEST, CASES, "package.json", "package-lock.json"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A module's folder, read. ``manifest`` satisfies the contract but for what a build adds.

    ``sources`` are the main file and its companions by name; ``cases`` and ``world`` the bytes of ``cases.json`` and
    ``world.wit``, empty where there is none.
    """

    manifest: Mapping[str, Any]
    main: str
    sources: Mapping[str, bytes]
    cases: bytes
    world: bytes = b""

    @property
    def name(self) -> str:
        """What the module is called."""
        return str(self.manifest["name"])

    @property
    def is_script(self) -> bool:
        """Whether it is the text of a script, which an engine runs as it is."""
        return bool(self.manifest["abi"] == SCRIPT)

    @property
    def language(self) -> str:
        """What it is written in; ``script`` for a script in whatever language."""
        return "script" if self.is_script else LANGUAGES[PurePosixPath(self.main).suffix]


def read_project(files: Mapping[str, bytes]) -> Project:
    """Read a module's files, by name within its folder.

    Raises:
        NotFound: there is no ``module.json`` (code ``module-manifest-missing``), or no main file (code
            ``module-source-missing``).
        DocumentRefused, SchemaViolated: the manifest is not one.
        InputRefused: the main file's suffix is of no language known here (code ``module-language``).
    """
    if MANIFEST not in files:
        raise NotFound(
            f"the folder has no {MANIFEST}",
            hint="bailiwick module new NAME --lang python makes a folder with one",
            code="module-manifest-missing",
        )
    manifest = parse_document(files[MANIFEST])
    _check(manifest)
    is_script = manifest["abi"] == SCRIPT
    main = manifest["file"] if is_script else manifest.get("source", {}).get("file")
    if main is None or main not in files:
        raise NotFound(
            f"the main source file {main!r} of module {manifest['name']} is not in the folder",
            hint=f"name it in {MANIFEST}: "
            + ('"file": "script.js"' if is_script else '"source": {"file": "module.py"}'),
            code="module-source-missing",
        )
    suffix = PurePosixPath(main).suffix
    if suffix not in LANGUAGES:
        raise InputRefused(
            f"{main} is in no language that can be built here",
            hint="write it in one of " + ", ".join(f"{name} ({end})" for end, name in LANGUAGES.items()),
            code="module-language",
        )
    return Project(
        manifest=manifest,
        main=main,
        sources=_texts(manifest, files) if is_script else _sources(files, main),
        cases=files.get(CASES, b""),
        world=files.get(WORLD_FILE, b""),
    )


def _check(manifest: Any) -> None:
    complete = manifest
    if isinstance(manifest, dict):
        complete = {"digest": UNBUILT, **manifest}
        source = manifest.get("source")
        if isinstance(source, dict):
            complete["source"] = {"digest": UNBUILT, **source}
        if isinstance(variants := manifest.get("variants"), list):
            complete["variants"] = [
                {"digest": UNBUILT, **each} if isinstance(each, dict) else each for each in variants
            ]
    _schemas().contract(CONTRACT).check(complete, subject=MANIFEST)


@lru_cache(maxsize=1)
def _schemas() -> Schemas:
    return Schemas()


def _texts(manifest: Mapping[str, Any], files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Give the text of a script and those of its variants."""
    names = [manifest["file"], *(each["file"] for each in manifest.get("variants", ()))]
    lacking = [name for name in names if name not in files]
    if lacking:
        raise NotFound(
            f"module {manifest['name']} names {lacking[0]}, which is not in the folder",
            hint="write it, or take the variant out of module.json",
            code="module-source-missing",
        )
    return {name: files[name] for name in names}


def _sources(files: Mapping[str, bytes], main: str) -> dict[str, bytes]:
    ends = COMPANIONS[PurePosixPath(main).suffix]
    return {
        name: content
        for name, content in sorted(files.items())
        if name == main or (name.endswith(ends) and name not in NOT_SOURCES)
    }
