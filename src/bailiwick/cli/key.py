"""`bailiwick key`: how the keys of a home lie on disk, and what they are locked with."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

from bailiwick.cli import screen
from bailiwick.cli.options import Options, settings

Lock = Literal["machine", "passphrase", "keyring"]


def wrap(
    *,
    lock: Annotated[Lock, Parameter(name="--with")] = "machine",
    options: Options = Options(),
) -> int:
    """Lock the keys of this home, whatever they are locked with now, and seal those that lie there in the clear.

    A new passphrase is read from BAILIWICK_NEW_PASSPHRASE_FILE or BAILIWICK_NEW_PASSPHRASE, then
    BAILIWICK_PASSPHRASE_FILE or BAILIWICK_PASSPHRASE, else asked for.
    Interrupted, every key can still be read; the same command finishes.

    Args:
        lock: machine: a file of this machine and user, outside the home. passphrase: nothing is kept. keyring: the
            keyring of the operating system.
    """
    from bailiwick.node import Node

    resolved = settings(options)
    resolved.node_id()
    report = Node.keys(resolved.home).wrap(lock)
    screen.give(report.to_json(), report.text(), as_json=options.json)
    return 0


def status(*, options: Options = Options()) -> int:
    """Say what the keys of this home are locked with, and how many lie there in the clear.

    Exits 0 when every key is wrapped, else 1.
    """
    from bailiwick.node import Node

    resolved = settings(options)
    resolved.node_id()
    report = Node.keys(resolved.home).report()
    screen.give(report.to_json(), report.text(), as_json=options.json)
    return 1 if report.plain else 0
