"""The node: every theme in one class, with what concerns a home before it is opened."""

from __future__ import annotations

from pathlib import Path

from bailiwick.adapters.disk_system import SystemDisk
from bailiwick.adapters.entropy_system import SystemEntropy
from bailiwick.adapters.keystore_wrapped import WrappedKeyStore, system_keys
from bailiwick.node.acting import Acting
from bailiwick.node.deciding import Deciding
from bailiwick.node.doctor import Checking
from bailiwick.node.following import Following
from bailiwick.node.home import InitReport, make_home
from bailiwick.node.installing import Installing
from bailiwick.node.interviewing import Interviewing
from bailiwick.node.reading import Reading
from bailiwick.node.recovery import Recovering
from bailiwick.node.supervising import Supervising
from bailiwick.node.waiting import Waiting
from bailiwick.ports import Disk
from bailiwick.settings import LedgerSettings


class Node(Checking, Recovering, Waiting, Following, Installing, Interviewing, Deciding, Acting, Supervising, Reading):
    """One running bailiwick on one home. A context manager; several may run on one home, in several processes.

    A theme stands before those that it builds on.
    """

    @staticmethod
    def init(
        home: Path, tenant: str, *, ledger: LedgerSettings = LedgerSettings(), disk: Disk | None = None
    ) -> InitReport:
        """Make a home with one tenant, or finish making one; what is there already stays as it is.

        Several processes may do this at once, and any of them may be killed: the next call finishes.

        Raises:
            Unavailable: the folder cannot be written.
        """
        return make_home(home, tenant, ledger, disk)

    @staticmethod
    def keys(home: Path) -> WrappedKeyStore:
        """Give the keys of a home, to look at how they lie on disk, or to lock them in another way."""
        return system_keys(home / "keys", SystemDisk(), SystemEntropy())
