"""The tamper-evident ledger: append, prove, and audit alone.

Records are chained and hashed into an RFC 6962 tree; checkpoints, receipts and exports are those of C2SP, so that other
people's tools check them. ``verify_bundle`` and ``verify_receipt`` need neither a node nor a home.
"""

from bailiwick.ledger.audit import Problem, Report
from bailiwick.ledger.bundle import verify_bundle
from bailiwick.ledger.export import Bundle
from bailiwick.ledger.heads import Heads, WitnessReport
from bailiwick.ledger.keyring import Keyring
from bailiwick.ledger.log import Ledger
from bailiwick.ledger.moment import read_moment
from bailiwick.ledger.move import Moved, move_ledger
from bailiwick.ledger.plan import Needs, Plan
from bailiwick.ledger.policy import KnownWitness, Policy, witness_policy
from bailiwick.ledger.projection import KEYS, Projection, State
from bailiwick.ledger.proof import leaf_digest
from bailiwick.ledger.proven import ProvenReader
from bailiwick.ledger.receipt import verify_growth, verify_receipt
from bailiwick.ledger.restore import Restored, restore_ledger
from bailiwick.ledger.retention import LegalHold, Retention, kept_until
from bailiwick.ledger.search import Page, Query, Search
from bailiwick.ledger.subjects import CALL, ERASED, EXPIRED, QUEUED, keeps_something, unnamed_digests
from bailiwick.ledger.timeline import Past, Timeline
from bailiwick.ledger.witness import Cosigner, Outcome, WitnessVerdict

__all__ = [
    "CALL",
    "ERASED",
    "EXPIRED",
    "KEYS",
    "QUEUED",
    "Bundle",
    "Cosigner",
    "Heads",
    "Keyring",
    "KnownWitness",
    "Ledger",
    "LegalHold",
    "Moved",
    "Needs",
    "Outcome",
    "Page",
    "Past",
    "Plan",
    "Policy",
    "Problem",
    "Projection",
    "ProvenReader",
    "Query",
    "Report",
    "Restored",
    "Retention",
    "Search",
    "State",
    "Timeline",
    "WitnessReport",
    "WitnessVerdict",
    "keeps_something",
    "kept_until",
    "leaf_digest",
    "move_ledger",
    "read_moment",
    "restore_ledger",
    "unnamed_digests",
    "verify_bundle",
    "verify_growth",
    "verify_receipt",
    "witness_policy",
]
