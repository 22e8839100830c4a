"""The first record of a ledger: what it says of all others, and whose ledger it is."""

from __future__ import annotations

from bailiwick.errors import InputRefused, LedgerBroken, NotTrusted, Verdict
from bailiwick.ledger.head import Head
from bailiwick.ledger.keyring import Keyring
from bailiwick.ledger.record import BROKEN_HINT, GENESIS, read_record

FORMAT = "bailiwick-ledger/1"


def check_genesis(raw: bytes, keys: Keyring, head: Head) -> None:
    """Refuse a ledger of another key or of a format that is not ours, before anything is written to it.

    Where the head is signed by our key, the ledger was ours, and it is the first record that was changed.
    """
    genesis = read_record(raw, 0)
    named = (genesis.event_type, genesis.detail.get("format"), genesis.detail.get("verifier"))
    if head.checkpoint is not None and named != (GENESIS, FORMAT, keys.first.verifier.text()):
        message = f"record 0 does not begin this ledger: it says {str(named)[:300]}"
        raise LedgerBroken(Verdict.ALTERED, message, hint=BROKEN_HINT, index=0)
    written_format, verifier = genesis.detail.get("format"), genesis.detail.get("verifier")
    if genesis.event_type != GENESIS or written_format != FORMAT:
        raise InputRefused(
            f"the ledger's first record says {genesis.event_type} {str(written_format)[:40]}, not {GENESIS} {FORMAT}",
            hint="open it with the version of bailiwick that wrote it",
            code="ledger-format",
        )
    if verifier != keys.first.verifier.text():
        raise NotTrusted(
            f"the ledger belongs to the key {str(verifier)[:200]}, and this is {keys.first.verifier.text()}",
            hint="restore the ledger's own key, or start a new ledger elsewhere",
            code="ledger-key",
        )
