"""The main job: observations become decisions, sealed in the ledger, executed once, and replayed at will.

Start reading at ``loop.py``; the steps are ``intake``, ``decide``, ``seal`` and ``execute``, a file each.
"""

from bailiwick.decisions.changes import Change, Comparer, Missing, Selection, Tally
from bailiwick.decisions.decide import calling
from bailiwick.decisions.effects.declare import read_effects, settings_of
from bailiwick.decisions.effects.folding import catch_up
from bailiwick.decisions.effects.oversight import REASON_CHARACTERS_MAX, Oversight, Said, Told, keep_reason, told_of
from bailiwick.decisions.erase import SUBJECTS_MAX, Eraser, Erasure, subject_of
from bailiwick.decisions.execute import Channels, EffectsReport, Executor
from bailiwick.decisions.explain import Branch, Explanation, explain
from bailiwick.decisions.inputs import read_inputs
from bailiwick.decisions.installed import Installer, InUse, Offer
from bailiwick.decisions.intake import RawInput, ReadRow
from bailiwick.decisions.interviews import Interviews
from bailiwick.decisions.loop import BATCH_MAX, Answer, Decided, Loop, Queued, Refused
from bailiwick.decisions.projections import PROJECTIONS, find_projection
from bailiwick.decisions.prune import Pruner, Pruning, Went, find_needs
from bailiwick.decisions.replay import Difference, Replayer, ReplayReport
from bailiwick.decisions.shelf import Attached, check_modules, fetch, fetch_files, keep, pinned_modules
from bailiwick.decisions.waiting import WaitingInput, fetch_waiting, taken, waiting_inputs

__all__ = [
    "BATCH_MAX",
    "PROJECTIONS",
    "REASON_CHARACTERS_MAX",
    "SUBJECTS_MAX",
    "Answer",
    "Attached",
    "Branch",
    "Change",
    "Channels",
    "Comparer",
    "Decided",
    "Difference",
    "EffectsReport",
    "Eraser",
    "Erasure",
    "Executor",
    "Explanation",
    "InUse",
    "Installer",
    "Interviews",
    "Loop",
    "Missing",
    "Offer",
    "Oversight",
    "Pruner",
    "Pruning",
    "Queued",
    "RawInput",
    "ReadRow",
    "Refused",
    "ReplayReport",
    "Replayer",
    "Said",
    "Selection",
    "Tally",
    "Told",
    "WaitingInput",
    "Went",
    "calling",
    "catch_up",
    "check_modules",
    "explain",
    "fetch",
    "fetch_files",
    "fetch_waiting",
    "find_needs",
    "find_projection",
    "keep",
    "keep_reason",
    "pinned_modules",
    "read_effects",
    "read_inputs",
    "settings_of",
    "subject_of",
    "taken",
    "told_of",
    "waiting_inputs",
]
