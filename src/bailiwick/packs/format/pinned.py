"""What a pack rests on and does not hold: modules and texts by their digests, and the pack that it replaces."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleUse:
    """Which function of which module is called: the module's name, the SHA-256 of its binary, the function."""

    module: str
    digest: str
    function: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file that belongs to a pack and is not in it, known by its digest.

    ``path`` is what the pack calls it, ``digest`` (``sha256:…``) what it must be, ``url`` where its publisher has it,
    ``licence`` what the publisher allows. ``content`` is None where nobody supplied it.
    """

    path: str
    digest: str
    url: str
    licence: str
    content: bytes | None = field(default=None, repr=False)

    @property
    def is_present(self) -> bool:
        """Whether somebody supplied it."""
        return self.content is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Supersedes:
    """Which version of the same pack this one corrects, by digest where it is known, and why."""

    version: str
    digest: str | None
    reason: str
