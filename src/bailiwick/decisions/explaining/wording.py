"""The words of the tree that are ours and no pack's, by language; a language without its own gets the first."""

from __future__ import annotations

from collections.abc import Mapping

WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "head": "record {record}: {outcome}, judged as if on {day}",
        "must": "must: {text}",
        "within": ", within {duration} of learning of it",
        "by": ", by {moment}",
        "asks": "asks for {type}",
        "impacts": "rules tried, in order",
        "measures": "measurements",
        "calls": "computed by modules",
        "effects": "effects considered",
        "assumptions": "assumed, because the facts cannot say",
        "policies": "readings of disputed texts",
        "disputed": "disputed: {title}: {text}",
        "reading": "{title}: {text}",
        "origin": "origin",
        "pack": "pack {name} {version} {digest}",
        "corrected": "version {version} corrects this one: {reason}",
        "lost": "the pack is not kept any more ({code}): this is from the evidence alone",
        "module": "module {name} {digest}",
        "observation": "observation {digest}",
        "evidence": "evidence {digest}",
        "decided": "decided at {moment}",
        "receipt": "receipt: record {index}, leaf {leaf}",
        "fails": "does not hold: {clause}",
        "unsure": "cannot be judged: {clause}",
        "row": "row {row}: {when}",
        "row-holds": "row {row} holds: {when}",
        "unknown": "{path} is not known",
        "is": "{path} is {value}",
        "from": ", in force from {day}",
        "assumed": ", assumed: {name}",
        "skipped": "not asked",
        "indeterminate": "cannot be judged",
        "differs": "judged again, this comes out otherwise: do not rely on it",
        "yes": "yes",
        "no": "no",
        "nothing": "nothing",
        "hour": "hour",
        "hours": "hours",
        "minute": "minute",
        "minutes": "minutes",
        "no-time": "no time",
    },
    "es": {
        "head": "registro {record}: {outcome}, juzgado como si fuera el {day}",
        "must": "obligación: {text}",
        "within": ", en un plazo de {duration} desde que se supo",
        "by": ", antes del {moment}",
        "asks": "pide {type}",
        "impacts": "reglas probadas, en orden",
        "measures": "mediciones",
        "calls": "calculado por módulos",
        "effects": "efectos considerados",
        "assumptions": "supuesto, porque los hechos no lo dicen",
        "policies": "lecturas de textos discutidos",
        "disputed": "discutido: {title}: {text}",
        "reading": "{title}: {text}",
        "origin": "origen",
        "pack": "paquete {name} {version} {digest}",
        "corrected": "la versión {version} corrige esta: {reason}",
        "lost": "el paquete ya no se conserva ({code}): esto sale solo de la evidencia",
        "module": "módulo {name} {digest}",
        "observation": "observación {digest}",
        "evidence": "evidencia {digest}",
        "decided": "decidido el {moment}",
        "receipt": "recibo: registro {index}, hoja {leaf}",
        "fails": "no se cumple: {clause}",
        "unsure": "no se puede juzgar: {clause}",
        "row": "fila {row}: {when}",
        "row-holds": "la fila {row} se cumple: {when}",
        "unknown": "{path} no se conoce",
        "is": "{path} es {value}",
        "from": ", vigente desde {day}",
        "assumed": ", supuesto: {name}",
        "skipped": "no preguntado",
        "indeterminate": "no se puede juzgar",
        "differs": "juzgado de nuevo, da otra cosa: no confíe en esto",
        "yes": "sí",
        "no": "no",
        "nothing": "nada",
        "hour": "hora",
        "hours": "horas",
        "minute": "minuto",
        "minutes": "minutos",
        "no-time": "ningún tiempo",
    },
}


class Wording:
    """Our words in one language."""

    def __init__(self, language: str | None) -> None:
        self._words = WORDS.get(language or "en", WORDS["en"])

    def __call__(self, key: str, **values: object) -> str:
        """Give the words of a key with values put in; braces in a value are left as they are."""
        return self._words[key].format(**values)
