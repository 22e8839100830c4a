"""The fleet of modules of a tenant: which there are, what they may use, and the record of each call.

``Supervisor`` is the way in. It installs signed modules, keeps their grants, routes calls to them, links exactly what
was granted, and writes one record for each call before the answer leaves.
"""

from bailiwick.supervisor.allow import NodeRules
from bailiwick.supervisor.binaries import kept_binary
from bailiwick.supervisor.ledgerstate import LedgerState
from bailiwick.supervisor.manifest import Manifest, parse_manifest, read_manifest, read_version, refuse_native
from bailiwick.supervisor.packstate import (
    FOLLOWED,
    LEFT,
    MOVED,
    PACK_ACTIVATED,
    PACK_INSTALLED,
    SOURCE_CHANGED,
    Activation,
    FollowedSource,
    InstalledPack,
    PackVersion,
)
from bailiwick.supervisor.registry import MANIFEST_FILE, SIGNATURE_FILE, Registry
from bailiwick.supervisor.replay import Replayed
from bailiwick.supervisor.running import Answer
from bailiwick.supervisor.schedule import NORMAL, PATIENT, URGENT, Cancelled, Ticket
from bailiwick.supervisor.series import Series, SeriesCall, SeriesReplayed, SeriesRunner, read_calls
from bailiwick.supervisor.services import homeless_services
from bailiwick.supervisor.state import FleetState, Grant, Installed
from bailiwick.supervisor.steps import Step, load_step, step_of
from bailiwick.supervisor.supervisor import Shown, Supervisor, summary
from bailiwick.supervisor.swap import SwapDone, Swapper, SwapPlan
from bailiwick.supervisor.values import encode_value

__all__ = [
    "FOLLOWED",
    "LEFT",
    "MANIFEST_FILE",
    "MOVED",
    "NORMAL",
    "PACK_ACTIVATED",
    "PACK_INSTALLED",
    "PATIENT",
    "SIGNATURE_FILE",
    "SOURCE_CHANGED",
    "URGENT",
    "Activation",
    "Answer",
    "Cancelled",
    "FleetState",
    "FollowedSource",
    "Grant",
    "Installed",
    "InstalledPack",
    "LedgerState",
    "Manifest",
    "NodeRules",
    "PackVersion",
    "Registry",
    "Replayed",
    "Series",
    "SeriesCall",
    "SeriesReplayed",
    "SeriesRunner",
    "Shown",
    "Step",
    "Supervisor",
    "SwapDone",
    "SwapPlan",
    "Swapper",
    "Ticket",
    "encode_value",
    "homeless_services",
    "kept_binary",
    "load_step",
    "parse_manifest",
    "read_calls",
    "read_manifest",
    "read_version",
    "refuse_native",
    "step_of",
    "summary",
]
