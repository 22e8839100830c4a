"""`bailiwick inputs`: what came while no module could run, and deciding it."""

from __future__ import annotations

import json
from collections import Counter

from bailiwick.cli import screen
from bailiwick.cli.decide import answer_text
from bailiwick.cli.options import TenantOptions, open_node


def list_inputs(*, options: TenantOptions = TenantOptions()) -> int:
    """List the inputs that wait to be decided; what they hold is not shown."""
    with open_node(options) as (node, tenant):
        waiting = [each.to_json() for each in node.waiting(tenant)]
    for each in waiting:
        text = f"record {each['record']:<5} {each['pack']}, since {each['since']}"
        print(json.dumps(each) if options.json else screen.plain(text))
    if not waiting:
        screen.say("no input waits")
    return 0


def decide_inputs(*, options: TenantOptions = TenantOptions()) -> int:
    """Decide the inputs that wait, oldest first.

    Each is decided by the version of its pack that is active now. Exits 0 when every one was decided, 1 when some was
    refused and waits no more, 5 when some still wait because their module cannot run.
    """
    counts: Counter[str] = Counter()
    with open_node(options) as (node, tenant):
        for waiting, answer in node.decide_waiting(tenant):
            line = answer.to_json()
            counts[line.get("outcome", "refused")] += 1
            text = f"record {waiting.record:<5} waited: {answer_text(line)}"
            print(json.dumps({"queued": waiting.record, **line}) if options.json else screen.plain(text), flush=True)
        left = len(node.waiting(tenant))
    decided = ", ".join(f"{count} {word}" for word, count in counts.most_common()) or "none waited"
    screen.say(f"{sum(counts.values())} inputs: {decided}; {left} wait")
    return 5 if left else 1 if counts["refused"] else 0
