"""A new module: a manifest, a source that works, and cases that pass, in the author's language."""

from __future__ import annotations

from importlib.resources import files

from bailiwick.authoring.project import STARTED
from bailiwick.errors import UsageRefused
from bailiwick.schema import Schemas

NAME_MARK = b"NAME"
"""Stands for the module's name in the files of a template."""
INERT = ".txt"
"""Ends the names of sources among the templates, so that no tool takes them for code of this package."""


def start(name: str, language: str) -> dict[str, bytes]:
    """Give the files of a new module, by name within its folder.

    Raises:
        UsageRefused: no such language (code ``module-language``), or a name that a module cannot have (code
            ``module-name``).

    >>> sorted(start("pay", "wat"))
    ['cases.json', 'module.json', 'module.wat']
    """
    if language not in STARTED:
        raise UsageRefused(
            f"{language!r} is no language that a module can be started in",
            hint="choose one of " + ", ".join(STARTED),
            code="module-language",
        )
    if _is_no_name(name):
        raise UsageRefused(
            f"{name[:80]!r} cannot be the name of a module",
            hint="a lower-case letter, then letters, digits and single hyphens, at most 64 characters",
            code="module-name",
        )
    found = {}
    for entry in (files("bailiwick") / "builtin" / "templates" / language).iterdir():
        content = entry.read_bytes()
        is_manifest = entry.name == "module.json"
        found[entry.name.removesuffix(INERT)] = content.replace(NAME_MARK, name.encode()) if is_manifest else content
    return found


def _is_no_name(name: str) -> bool:
    return any(each.path == "/name" for each in Schemas().violations("module-manifest", {"name": name}))
