"""A script as its author has it, with the texts of its variants, joined to the engine that runs it."""

from __future__ import annotations

from bailiwick.authoring.project import Project
from bailiwick.engine import Engine, Guest, Variant, read_script
from bailiwick.model import Tier


def load_script(project: Project, engine: Engine, runner: bytes) -> Guest:
    """Load the script of a folder as it is now, built or not.

    Args:
        project: The folder.
        engine: Runs it.
        runner: The binary of its engine of scripts.

    Raises:
        ModuleRefused: a text is none, or too long.
    """
    variants = tuple(_variant(project, each) for each in project.manifest.get("variants", ()))
    memory = Tier(project.manifest["tier"]).budget.memory_bytes
    return engine.load_script(project.sources[project.main], runner, memory_bytes_max=memory, variants=variants)


def _variant(project: Project, stated: dict[str, object]) -> Variant:
    when = stated.get("when", {})
    assert isinstance(when, dict), "the contract of manifests says so"
    return Variant(
        name=str(stated["name"]),
        text=read_script(project.sources[str(stated["file"])]),
        percent=int(str(stated["percent"])),
        path=when.get("path", ""),
        values=tuple(when.get("in", ())),
    )
