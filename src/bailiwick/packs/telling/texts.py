"""What a pack says for people, in one of its languages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bailiwick.errors import UsageRefused
from bailiwick.packs.format.pack import Pack

OWN_LANGUAGE = "en"
"""The language of a pack that names none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """The sentences of a pack by key (``row fatality``, ``question in.degree`` …); the pack's own where one lacks."""

    language: str
    translated: Mapping[str, str]

    def say(self, key: str, own: str) -> str:
        """Give the sentence of a key in the language, or else the pack's own."""
        return self.translated.get(key, own)

    def find(self, key: str, own: str | None) -> str | None:
        """Give the sentence of a key, the pack's own, or None where there is neither."""
        return self.translated.get(key, own)


def languages_of(pack: Pack) -> tuple[str, ...]:
    """List the languages that a pack speaks; its own comes first."""
    return pack.languages or (OWN_LANGUAGE,)


def texts_of(pack: Pack, language: str | None) -> Texts:
    """Give the sentences of a pack in a language; None is the pack's own.

    Raises:
        UsageRefused: the pack does not speak it (code ``language``); the hint lists those that it does.
    """
    known = languages_of(pack)
    if language is not None and language not in known:
        raise UsageRefused(
            f"pack {pack.name} does not speak {language[:40]!r}",
            hint=f"it speaks {', '.join(known)}: --language {known[0]}",
            code="language",
        )
    chosen = language or known[0]
    return Texts(language=chosen, translated=pack.texts.get(chosen, {}))
