"""Law as code: dated parameters, cited rules, and decisions that say what they rest on.

Enter here. ``load_pack`` turns a pack's files into a ``Pack`` or names everything that is wrong with them; ``evaluate``
judges facts by it, purely; ``run_cases`` tries it on its own cases. The format is in ``docs/formats/pack.md``.
"""

from bailiwick.packs.evaluation.evaluate import evaluate
from bailiwick.packs.evaluation.facts import facts_from
from bailiwick.packs.format.files import LOCK, SIGNATURE, content_of
from bailiwick.packs.format.load import load_pack
from bailiwick.packs.format.lock import (
    EngineName,
    check_lock,
    lock_of,
    read_lock,
    sign_lock,
    verify_pack,
    write_lock,
)
from bailiwick.packs.format.pack import INDETERMINATE, IntakeModule, Pack
from bailiwick.packs.language.dates import check_date
from bailiwick.packs.trying.cases import CaseFailure, CaseReport, run_cases

__all__ = [
    "INDETERMINATE",
    "LOCK",
    "SIGNATURE",
    "CaseFailure",
    "CaseReport",
    "EngineName",
    "IntakeModule",
    "Pack",
    "check_date",
    "check_lock",
    "content_of",
    "evaluate",
    "facts_from",
    "load_pack",
    "lock_of",
    "read_lock",
    "run_cases",
    "sign_lock",
    "verify_pack",
    "write_lock",
]
