"""The main job: observations become decisions, sealed in the ledger, executed once, and replayed at will.

Start reading at ``loop.py``; the steps are ``intake``, ``decide``, ``seal`` and ``execute``, a file each.
"""

from bailiwick.decisions.erase import SUBJECTS_MAX, Eraser, Erasure, subject_of
from bailiwick.decisions.execute import EffectsReport, Executor, catch_up
from bailiwick.decisions.explain import Branch, Explanation, explain
from bailiwick.decisions.inputs import read_inputs
from bailiwick.decisions.intake import RawInput, ReadRow
from bailiwick.decisions.loop import BATCH_MAX, Decided, Loop, Refused
from bailiwick.decisions.projections import PROJECTIONS, find_projection
from bailiwick.decisions.prune import Pruner, Pruning, Went, find_needs
from bailiwick.decisions.replay import Difference, Replayer, ReplayReport
from bailiwick.decisions.shelf import check_modules, fetch, keep

__all__ = [
    "BATCH_MAX",
    "PROJECTIONS",
    "SUBJECTS_MAX",
    "Branch",
    "Decided",
    "Difference",
    "EffectsReport",
    "Eraser",
    "Erasure",
    "Executor",
    "Explanation",
    "Loop",
    "Pruner",
    "Pruning",
    "RawInput",
    "ReadRow",
    "Refused",
    "ReplayReport",
    "Replayer",
    "Went",
    "catch_up",
    "check_modules",
    "explain",
    "fetch",
    "find_needs",
    "find_projection",
    "keep",
    "read_inputs",
    "subject_of",
]
