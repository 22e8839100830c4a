"""The pack's words in other languages: a file for each, and no key that stands for nothing."""

from __future__ import annotations

from collections.abc import Mapping

from bailiwick.packs.format.declarations import Declarations
from bailiwick.packs.format.documents import Document
from bailiwick.packs.format.pack import Pack
from bailiwick.packs.format.texts import own_texts

_FOLDER = "languages/"


def texts_of(declared: Declarations, document: Document) -> dict[str, Mapping[str, str]]:
    """Give the translations by language; each language but the first has a file, and each file a language."""
    languages = document.value.get("languages", [])
    found: dict[str, Mapping[str, str]] = {}
    for each in declared.folder(_FOLDER):
        language = each.file.removeprefix(_FOLDER).removesuffix(".yaml")
        if language not in languages[1:]:
            message = "its own language stands in the rules" if language in languages else "pack.yaml does not name it"
            declared.fault(each, "", "language", f"{language} has no file of translations: {message}", language)
        elif not each.broken:
            found[language] = each.value["texts"]
    for position, language in enumerate(languages[1:], 1):
        path = f"{_FOLDER}{language}.yaml"
        if path not in declared.documents and not any(fault.path.startswith(path) for fault in declared.faults.found):
            declared.fault(document, f"/languages/{position}", "missing", f"the pack has no file {path}", language)
    return found


def check_keys(declared: Declarations, pack: Pack) -> None:
    """Note translations of what the pack does not say."""
    keys = own_texts(pack)
    for language, texts in pack.texts.items():
        for key in texts.keys() - keys.keys():
            message = f"the pack says nothing under {key[:80]!r}; docs/formats/pack.md lists the keys"
            declared.fault(f"{_FOLDER}{language}.yaml", f"/texts/{key}", "name", message, key)
