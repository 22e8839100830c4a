"""A lint of a pack: everything that loads and is not as it should be, with the place and what to do."""

from __future__ import annotations

from collections.abc import Mapping

from bailiwick.packs.format.pack import Pack
from bailiwick.packs.trying.findings import Finding, LintReport, Remark, in_order
from bailiwick.packs.trying.generated import generated
from bailiwick.packs.trying.known import Decider, decide, known_cases
from bailiwick.packs.trying.places import Places
from bailiwick.packs.trying.probing import probe
from bailiwick.packs.trying.trial import INPUTS, SEED
from bailiwick.packs.trying.upkeep import inspect


def lint(
    pack: Pack, files: Mapping[str, bytes], *, inputs: int = INPUTS, seed: int = SEED, decider: Decider = decide
) -> LintReport:
    """Look a pack through.

    Args:
        pack: Loaded from ``files``; what does not load is refused with every fault, and is not looked at here.
        files: Its files, with ``pack.lock`` where there is one.
        inputs: How many inputs are drawn, beside its cases.
        seed: What they are drawn from.
        decider: Decides; a pack that calls modules needs one that can.

    Cost: some half a second for 500 inputs and 50 rules.
    """
    cases = [known for _, known in known_cases(pack, decider)]
    drawn = list(generated(pack, inputs, seed, decider))
    places = Places(files)
    remarks: dict[Remark, None] = dict.fromkeys((*inspect(pack, files), *probe(pack, cases, drawn)))
    findings = in_order(Finding(remark=each, place=places.of(each.subject)) for each in remarks)
    return LintReport(findings=findings, inputs=len(drawn), seed=seed)
