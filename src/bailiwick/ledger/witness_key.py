"""The record by which a ledger names a witness's key, so that every line of a witness can be checked by every reader.

That a ledger names a witness makes nobody trust it: whom to believe, a reader's own policy says.
"""

from __future__ import annotations

from bailiwick.errors import UsageRefused, Verdict
from bailiwick.keys import COSIGNATURE, Verifier
from bailiwick.ledger.chain import Fault
from bailiwick.ledger.record import StoredRecord

WITNESS_ADDED = "ledger.witness-added"


def read_witness_key(stored: StoredRecord, index: int) -> tuple[Verifier, None] | tuple[None, Fault]:
    """Read the key that a record names."""
    text = stored.detail.get("verifier")
    try:
        if not isinstance(text, str) or stored.detail.keys() != {"verifier"}:
            raise ValueError("its detail has other members")
        return Verifier.read(text, COSIGNATURE), None
    except (ValueError, UsageRefused) as error:
        message = f"the witness in record {index} cannot be read: {error}"
        return None, Fault(index=index, verdict=Verdict.CORRUPT, message=message)
