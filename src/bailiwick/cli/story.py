"""What the demo tells as it goes: a word on the left, what came of it on the right."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from bailiwick.cli import screen

if TYPE_CHECKING:
    from bailiwick.decisions import Explanation

WORD_WIDTH = 10
LINE_WIDTH = 110


class Story:
    """Prints one paragraph for each step, filled; silent where JSON was asked for."""

    def __init__(self, *, silent: bool) -> None:
        self._silent = silent

    def tell(self, word: str, text: str) -> None:
        """Print one paragraph beside its word."""
        for line in textwrap.wrap(text, LINE_WIDTH - WORD_WIDTH, break_long_words=False, break_on_hyphens=False):
            self._print(word, line)
            word = ""

    def _print(self, word: str, line: str) -> None:
        if not self._silent:
            print(screen.plain(f"{word:<{WORD_WIDTH}}{line}".rstrip()), flush=True)

    def tell_decided(self, decided: dict[str, Any]) -> None:
        """Tell how many inputs were decided, how fast, and how they came out."""
        if decided["first_seconds"] is not None:
            self.tell("first", f"decision sealed {decided['first_seconds']:.2f} s after the start")
        self.tell(
            "decided",
            f"{decided['count']} of {decided['inputs']} inputs in {decided['seconds']:.2f} s,"
            f" {decided['rate']} a second, each durable before it was counted",
        )
        rows = sorted(decided["outcomes"].items(), key=lambda row: (-row[1], row[0]))
        for line in screen.columns([(count, word) for word, count in rows]).splitlines() if rows else []:
            self._print("", line)
        for error in decided["refusals"]:
            self.tell("refused", f"line {error.get('line', '?')}: {error['code']}: {error['message']}")

    def tell_verified(self, verified: dict[str, Any]) -> None:
        """Tell what a full verification of the ledger found."""
        self.tell("ledger", f"{verified['records']} records, root {verified['root']}")
        self.tell("verified", f"{verified['verdict']}: chain, leaves, tree and checkpoints")

    def tell_why(self, explanation: Explanation) -> None:
        """Tell why one decision came out as it did: reason, what must be done, by which rule; the rest is counted."""
        tree = explanation.tree()
        self.tell("why", tree.text)
        for branch in tree.branches:
            if not branch.branches:
                self.tell("", branch.text)
        told = explanation.to_json()
        for rule in told["rules"]:
            if rule["kind"] == "impact":
                self.tell("", f"by rule {rule['rule']} [{'; '.join(each['cite'] for each in rule['cite'])}]")
        kinds = [rule["kind"] for rule in (*told["rules"], *told["assumptions"])]
        self.tell(
            "",
            f"resting on {kinds.count('measure')} measurements and {kinds.count('assumption')} assumptions,"
            f" each with its source: bailiwick explain {told['record']}",
        )
