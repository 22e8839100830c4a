"""Law as code: dated parameters, cited rules, and decisions that say what they rest on.

Enter here. ``load_pack`` turns a pack's files into a ``Pack`` or names everything that is wrong with them; ``evaluate``
judges facts by it, purely; ``run_cases`` tries it on its own cases; ``Interview`` asks a
person for what still matters; ``Speech`` and ``Judge`` are for whoever explains. The format: ``docs/formats/pack.md``.
"""

from bailiwick.packs.evaluation.columns import Population, evaluate_columns
from bailiwick.packs.evaluation.evaluate import evaluate
from bailiwick.packs.evaluation.facts import facts_from
from bailiwick.packs.evaluation.hearing import CallModule, ModuleAnswer
from bailiwick.packs.format.files import LOCK, SIGNATURE, content_of
from bailiwick.packs.format.kernel import check_kernel
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
from bailiwick.packs.format.pack import INDETERMINATE, IntakeModule, ModuleUse, Pack
from bailiwick.packs.interview.conversation import Conversation
from bailiwick.packs.interview.interview import Asked, Finished, Interview
from bailiwick.packs.interview.session import LEGAL_DATE, Session, session_from
from bailiwick.packs.interview.telling import Teller
from bailiwick.packs.interview.typed import read_typed
from bailiwick.packs.language.dates import check_date
from bailiwick.packs.telling.clauses import Judge, Judged, explain_expression, type_of
from bailiwick.packs.telling.speech import Speech
from bailiwick.packs.trying.cases import CaseFailure, CaseReport, run_cases
from bailiwick.packs.trying.difference import PackDifference, difference
from bailiwick.packs.trying.findings import Finding, LintReport
from bailiwick.packs.trying.known import decide
from bailiwick.packs.trying.lint import lint
from bailiwick.packs.trying.start import start_pack
from bailiwick.packs.trying.trial import Aim, Trial, try_pack

__all__ = [
    "INDETERMINATE",
    "LEGAL_DATE",
    "LOCK",
    "SIGNATURE",
    "Aim",
    "Asked",
    "CallModule",
    "CaseFailure",
    "CaseReport",
    "Conversation",
    "EngineName",
    "Finding",
    "Finished",
    "IntakeModule",
    "Interview",
    "Judge",
    "Judged",
    "LintReport",
    "ModuleAnswer",
    "ModuleUse",
    "Pack",
    "PackDifference",
    "Population",
    "Session",
    "Speech",
    "Teller",
    "Trial",
    "check_date",
    "check_kernel",
    "check_lock",
    "content_of",
    "decide",
    "difference",
    "evaluate",
    "evaluate_columns",
    "explain_expression",
    "facts_from",
    "lint",
    "load_pack",
    "lock_of",
    "read_lock",
    "read_typed",
    "run_cases",
    "session_from",
    "sign_lock",
    "start_pack",
    "try_pack",
    "type_of",
    "verify_pack",
    "write_lock",
]
