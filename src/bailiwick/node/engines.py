"""Engines of scripts: QuickJS comes with this package, CPython is built where it is first wanted, and then kept.

What was built is believed only as far as its MAC: it is kept as compiled code is, by a ``CodeCache`` of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

from bailiwick.adapters.packsource_builtin import builtin_engine
from bailiwick.authoring import Project, build, read_project
from bailiwick.engine import CodeCache
from bailiwick.errors import ModuleRefused, Unavailable
from bailiwick.ports import Toolchain

ENGINES_FOLDER = "engines"
"""Where a home keeps the engines that it built; it can be removed at any time."""
BUILT_HERE = frozenset({"cpython"})
"""Engines that do not ship."""
INERT = ".txt"
"""Ends the names of sources that lie in this package as data."""

Tell = Callable[[str], None]


def silent_text(_: str) -> None:
    """Take no notice of what is told."""


def script_engine(
    name: str, *, kept: Callable[[], tuple[Path, bytes]] | None = None, tell: Tell = silent_text
) -> bytes:
    """Give the binary of an engine of scripts.

    Args:
        name: ``quickjs`` or ``cpython``.
        kept: Gives the folder where built engines are kept, and the key of their MACs; asked when one is to be built.
            None builds it anew each time.
        tell: Told before a build, which takes some seconds.

    Raises:
        NotFound: there is none of that name.
        ModuleRefused: the engine has to be built, and the toolchain is not installed (code ``script-engine``).
        Unavailable: building it takes too long.
    """
    if name not in BUILT_HERE:
        return builtin_engine(name)
    project = engine_project(name)
    toolchain = _toolchain()
    try:
        compiler = toolchain.version()
    except Unavailable as error:
        raise ModuleRefused(
            f"scripts in Python need the engine {name}, which is built on the node, and {error.message}",
            hint=f"{error.hint}; or write the script in JavaScript, whose engine ships",
            code="script-engine",
        ) from error

    def make(*_: object) -> bytes:
        tell(f"building the engine {name} with {compiler}: about ten seconds, once on this node")
        return build(project, toolchain).wasm

    if kept is None:
        return make()
    folder, key = kept()
    settings = hashlib.sha256(f"{compiler}\n{project.manifest['version']}".encode()).hexdigest()[:16]
    return CodeCache(folder, key, make=make, settings=settings)(project.sources[project.main], "component")


def engine_project(name: str) -> Project:
    """Read the source of an engine that is built here."""
    folder = files("bailiwick") / "builtin" / "engines" / name
    return read_project({each.name.removesuffix(INERT): each.read_bytes() for each in folder.iterdir()})


def _toolchain() -> Toolchain:
    from bailiwick.adapters.toolchain_componentize import ComponentizeToolchain

    return ComponentizeToolchain()
