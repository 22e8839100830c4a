"""The author's room: a new module from a template, its build, its cases. Files come in and go out as values.

``start`` gives the files of a new module, ``read_project`` reads what an author wrote, ``build`` makes the binary and
completes the manifest, ``run_cases`` runs the cases that lie beside the source.
"""

from bailiwick.authoring.build import Built, Comparison, build, compare_builds
from bailiwick.authoring.cases import CaseFailure, CaseReport, Runner, read_cases, run_cases
from bailiwick.authoring.composing import Composed, Piece, compose_modules, read_piece
from bailiwick.authoring.desk import Desk
from bailiwick.authoring.doctor import (
    Finding,
    advice,
    binary_findings,
    fault,
    fault_of,
    guest_findings,
    manifest_faults,
    project_findings,
)
from bailiwick.authoring.native import NATIVE, NativeGuest, NativeRunner
from bailiwick.authoring.project import LANGUAGES, Project, read_project
from bailiwick.authoring.scripts import load_script
from bailiwick.authoring.template import start
from bailiwick.authoring.trace import Trace, trace_call

__all__ = [
    "LANGUAGES",
    "NATIVE",
    "Built",
    "CaseFailure",
    "CaseReport",
    "Comparison",
    "Composed",
    "Desk",
    "Finding",
    "NativeGuest",
    "NativeRunner",
    "Piece",
    "Project",
    "Runner",
    "Trace",
    "advice",
    "binary_findings",
    "build",
    "compare_builds",
    "compose_modules",
    "fault",
    "fault_of",
    "guest_findings",
    "load_script",
    "manifest_faults",
    "project_findings",
    "read_cases",
    "read_piece",
    "read_project",
    "run_cases",
    "start",
    "trace_call",
]
