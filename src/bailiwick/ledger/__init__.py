"""The tamper-evident ledger: append, prove, and audit alone.

Records are chained and hashed into an RFC 6962 tree; checkpoints, receipts and exports are those of C2SP, so that other
people's tools check them. ``verify_bundle`` and ``verify_receipt`` need neither a node nor a home.
"""

from bailiwick.ledger.audit import Problem, Report
from bailiwick.ledger.bundle import verify_bundle
from bailiwick.ledger.export import Bundle
from bailiwick.ledger.log import Ledger
from bailiwick.ledger.receipt import verify_receipt

__all__ = ["Bundle", "Ledger", "Problem", "Report", "verify_bundle", "verify_receipt"]
