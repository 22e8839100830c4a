"""`bailiwick explain`: why a decision came out as it did, each step with its source."""

from __future__ import annotations

from bailiwick.cli import screen
from bailiwick.cli.options import RecordIndex, TenantOptions, open_node


def explain(record: RecordIndex, /, *, options: TenantOptions = TenantOptions()) -> int:
    """Say why a decision came out as it did, with its citations.

    Args:
        record: The decision's record, from 0.
    """
    with open_node(options) as (node, tenant):
        explanation = node.explain(tenant, record)
        screen.give(explanation.to_json(), screen.tree(explanation.tree()), as_json=options.json)
    return 0
