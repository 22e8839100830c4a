"""A pack is for some versions of bailiwick: by the others it decides nothing new, and what it decided is replayed."""

from __future__ import annotations

from pathlib import Path

import pytest

from bailiwick.errors import PackRefused
from bailiwick.packs.format import kernel
from bailiwick.packs.format.kernel import is_in_range
from tests.law import LeaveLaw
from tests.test_installing import TENANT, Stand


class BoundedLaw(LeaveLaw):
    """The law, for one version of bailiwick."""

    def files(self) -> dict[str, bytes]:
        """Give the files of the pack, with its range."""
        files = super().files()
        return {**files, "pack.yaml": files["pack.yaml"] + b'\nkernel: "<0.2.0"\n'}


def test_after_an_upgrade_an_old_pack_decides_nothing_and_is_replayed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Wrong if law was applied by a program that it was not written for, or if nobody could check what it decided."""
    stand = Stand(tmp_path)
    stand.install(BoundedLaw())
    assert stand.decide() == "capped"
    stand.reopen()
    monkeypatch.setattr(kernel, "__version__", "0.2.0")
    with pytest.raises(PackRefused) as caught:
        stand.decide()
    assert caught.value.code == "pack-kernel"
    report = stand.node.replay(TENANT)
    assert (report.replayed, report.differing, report.unavailable) == (1, (), ())
    stand.node.close()


@pytest.mark.parametrize(
    ("version", "span", "is_in"),
    [
        ("0.1.0", ">=0.1.0", True),
        ("0.1.0", ">0.1.0", False),
        ("0.1.0", "<=0.1.0", True),
        ("0.1.0", "==0.1.0", True),
        ("0.1.0", "<0.1.0", False),
        ("0.10.0", ">0.9.9, <1.0.0", True),
        ("1.0.0", ">=0.1.0,<1.0.0", False),
        ("0.2.0.dev1", ">=0.2.0", True),
        ("0.1.0", "", False),
        ("0.1.0", ">=0.1", False),
        ("0.1.0", ">=0.1.0, ", False),
        ("0.1.0", "~=0.1.0", False),
        ("x", ">=0.1.0", False),
    ],
)
def test_a_range_holds_for_the_versions_that_it_names(version: str, span: str, is_in: bool):
    """Wrong if a pack decided by a version that its author never tried."""
    assert is_in_range(version, span) is is_in
