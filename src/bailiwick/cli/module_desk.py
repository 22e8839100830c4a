"""A module's folder at the desk: what its author wrote, its binary, and what runs it there. Nothing is recorded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

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

    if project.manifest.get("digest") != digest(wasm):
        raise InputRefused(
            f"the binary of module {project.name} has digest {digest(wasm)}, and its manifest says "
            f"{project.manifest.get('digest', 'none')}",
            hint=f"bailiwick module build {folder}, then sign",
            code="module-digest",
        )


@contextmanager
def loaded_module(folder: Path, project: Project, options: Options) -> Iterator[tuple[Runner, Any]]:
    """Load a module into what runs its form at the desk: an engine, or for a native one this very process."""
    from bailiwick.authoring import NATIVE, NativeRunner
    from bailiwick.model import Tier
    from bailiwick.node import desk_engine

    if project.manifest["abi"] == NATIVE:
        runner = NativeRunner()
        yield runner, runner.load(project.main, project.sources)
        return
    wasm = built_module(folder)[1]
    with desk_engine(settings(options)) as engine:
        yield engine, engine.load(wasm, memory_bytes_max=Tier(project.manifest["tier"]).budget.memory_bytes)
