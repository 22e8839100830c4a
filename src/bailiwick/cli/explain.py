"""`bailiwick explain`: why a decision came out as it did, each step with its source."""

from __future__ import annotations

from bailiwick.cli import screen
from bailiwick.cli.options import RecordIndex, TenantOptions, open_node


def explain(record: RecordIndex, /, *, language: str | None = None, options: TenantOptions = TenantOptions()) -> int:
    """Say why a decision came out as it did, with its citations.

    Each rule is shown with its value, source and date; of one that does not hold, the clause that failed and what it
    rests on; of a missing fact, everything that waits for it.

    Args:
        record: The decision's record, from 0.
        language: One of the pack's languages, such as es; its own where none is given.
    """
    with open_node(options) as (node, tenant):
        explanation = node.explain(tenant, record, language=language)
        screen.give(explanation.to_json(), screen.tree(explanation.tree()), as_json=options.json)
    return 0
