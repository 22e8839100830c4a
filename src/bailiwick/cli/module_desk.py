"""A module's folder at the desk: what its author wrote, its binary, and what runs it there. Nothing is recorded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bailiwick.cli import screen
from bailiwick.cli.folder import read_folder
from bailiwick.cli.options import Options, settings
from bailiwick.errors import InputRefused, NotFound

if TYPE_CHECKING:
    from bailiwick.authoring import Project, Runner


def read_module(folder: Path) -> Project:
    """Read what an author wrote.

    Raises:
        NotFound, InputRefused: as ``authoring.read_project``.
    """
    from bailiwick.authoring import read_project

    return read_project(read_folder(folder))


def built_module(folder: Path) -> tuple[Project, bytes]:
    """Read a module, and the binary that its manifest names.

    Raises:
        NotFound: it was not built (code ``module-not-built``).
    """
    from bailiwick.authoring import read_project

    files = read_folder(folder)
    project = read_project(files)
    file = str(project.manifest["file"])
    if file not in files:
        raise NotFound(
            f"module {project.name} has no {file} yet",
            hint=f"bailiwick module build {folder}",
            code="module-not-built",
        )
    return project, files[file]


def check_digest(folder: Path, project: Project, wasm: bytes) -> None:
    """Refuse a binary that is not the one of the manifest.

    Raises:
        InputRefused: code ``module-digest``.
    """
    from bailiwick.canonical import digest

    stated = {str(project.manifest["file"]): (digest(wasm), project.manifest.get("digest"))}
    for each in project.manifest.get("variants", ()):
        stated[each["file"]] = (digest(project.sources[each["file"]]), each.get("digest"))
    for file, (found, wanted) in stated.items():
        if found == wanted:
            continue
        raise InputRefused(
            f"{file} of module {project.name} has digest {found}, and its manifest says {wanted or 'none'}",
            hint=f"bailiwick module build {folder}, then sign",
            code="module-digest",
        )


@contextmanager
def loaded_module(folder: Path, project: Project, options: Options) -> Iterator[tuple[Runner, Any]]:
    """Load a module into what runs its form at the desk: an engine, or for a native one this very process."""
    from bailiwick.authoring import NATIVE, NativeRunner, load_script
    from bailiwick.model import Tier
    from bailiwick.node import desk_engine, desk_runner

    if project.manifest["abi"] == NATIVE:
        runner = NativeRunner()
        yield runner, runner.load(project.main, project.sources)
        return
    if project.is_script:
        runs = desk_runner(settings(options), project.manifest["engine"]["name"], screen.say)
        with desk_engine(settings(options)) as engine:
            yield engine, load_script(project, engine, runs)
        return
    wasm = built_module(folder)[1]
    with desk_engine(settings(options)) as engine:
        yield engine, engine.load(wasm, memory_bytes_max=Tier(project.manifest["tier"]).budget.memory_bytes)
