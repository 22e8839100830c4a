"""Law in time: only what is vouched for is installed, from the day that was said, and nothing brings old law back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bailiwick.adapters.clock_memory import MemoryClock
from bailiwick.canonical import digest
from bailiwick.decisions import RawInput
from bailiwick.errors import LedgerBroken, NotFound, NotTrusted, PackRefused, UsageRefused
from bailiwick.keys import Signer, new_secret
from bailiwick.node import Node
from bailiwick.node.installing import engine_name
from bailiwick.packs import content_of, load_pack, lock_of, sign_lock, write_lock
from bailiwick.schema import Schemas
from bailiwick.settings import Settings
from bailiwick.supervisor.ledgerstate import RECORDS_PER_KEEPING
from tests.law import NAME, LeaveLaw, facts

TENANT = "local"
STRANGER = Signer("law/stranger", new_secret(b"s" * 32))
FACTS = {"worked": 4_321 * 30, "used": 0, "day": "2025-06-01"}
"""What version 1.0.0 caps, and a cap of one minute more does not."""


def at(day: str) -> int:
    """Give the noon of a day, in nanoseconds."""
    return int(datetime.fromisoformat(f"{day}T12:00:00").replace(tzinfo=UTC).timestamp()) * 10**9


class Stand:
    """A home with one tenant, whose clock can be set, and a folder for law."""

    def __init__(self, folder: Path) -> None:
        """Make it on the first day of 2030."""
        self.folder = folder
        self.home = folder / "home"
        self.clock = MemoryClock(at("2030-01-01"))
        Node.init(self.home, TENANT)
        self.node = self.open()

    def open(self) -> Node:
        """Open the home, as another process would."""
        settings = Settings.resolve(home=self.home, tenant=TENANT, environ={})
        return Node.open(settings, clock=self.clock)

    def reopen(self) -> None:
        """Close the home and open it again."""
        self.node.close()
        self.node = self.open()

    def sign(self, law: LeaveLaw) -> Path:
        """Write a version of the law, signed with the tenant's own key."""
        folder = law.write(self.folder / "law")
        _, files, _ = self.node.sign_pack(TENANT, folder, {})
        for name, content in files.items():
            (folder / name).write_bytes(content)
        return folder

    def install(self, law: LeaveLaw, active_from: str | None = None) -> Any:
        """Sign and install a version of the law."""
        offer = self.node.offer(TENANT, self.sign(law), {})
        return self.node.install_pack(TENANT, offer, active_from=active_from)

    def version(self) -> str | None:
        """Say which version is used today."""
        used = self.node.installer(TENANT).in_use(NAME)
        return None if used is None else used.version

    def decide(self, given: dict[str, Any] = FACTS) -> str:
        """Decide facts by whatever is used today, and give the outcome."""
        (answer,) = self.node.decide(TENANT, NAME, [RawInput(media="json", body=json.dumps(given))])
        return answer.outcome

    def types(self) -> list[str]:
        """List the types of the records about packs."""
        return [each.event_type for each in self.node.ledger(TENANT).records() if each.event_type.startswith("pack.")]


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    """Give a new home."""
    made = Stand(tmp_path)
    yield made
    made.node.close()


# --- who vouches -----------------------------------------------------------------------------------------------------


def test_a_signed_pack_is_installed_and_decides(stand: Stand):
    """Wrong if law that was signed and tried could not take over."""
    activation = stand.install(LeaveLaw())
    assert (activation.version, activation.acts_from) == ("1.0.0", "2030-01-01")
    assert stand.decide() == "capped"
    stand.install(LeaveLaw(version="1.1.0", cap=4_321))
    assert stand.decide() == "paid"
    schemas = Schemas()
    for record in stand.node.ledger(TENANT).records():
        if record.event_type.startswith("pack."):
            schemas.contract(record.event_type.replace(".", "-")).check(dict(record.detail), subject="the record")


def test_every_decision_replays_whatever_is_installed_since(stand: Stand):
    """Wrong if a new version changed what an old decision comes to."""
    stand.install(LeaveLaw())
    stand.decide()
    stand.install(LeaveLaw(version="1.1.0", cap=4_321))
    stand.decide()
    report = stand.node.replay(TENANT)
    assert (report.replayed, report.differing, report.unavailable) == (2, (), ())


def test_an_unsigned_pack_is_refused(stand: Stand):
    """Wrong if whoever may write a folder could change the law."""
    folder = LeaveLaw().write(stand.folder)
    with pytest.raises(NotTrusted) as caught:
        stand.node.offer(TENANT, folder, {})
    assert caught.value.code == "unsigned"


def test_a_pack_of_a_stranger_is_refused_until_the_key_is_trusted(stand: Stand):
    """Wrong if any signature would do."""
    folder = LeaveLaw().write(stand.folder)
    files = LeaveLaw().files()
    lock = lock_of(load_pack(NAME, files), files, engine_name())
    (folder / "pack.lock").write_bytes(write_lock(lock))
    (folder / "pack.sig").write_bytes(sign_lock(lock, STRANGER))
    with pytest.raises(NotTrusted) as caught:
        stand.node.offer(TENANT, folder, {})
    assert caught.value.code == "key-unknown"
    stand.node.trust_pack_key(TENANT, STRANGER.verifier.text())
    assert stand.node.offer(TENANT, folder, {}).key == STRANGER.verifier.text()


@pytest.mark.parametrize("path", sorted(LeaveLaw().files()))
def test_a_file_that_was_changed_after_signing_is_refused(stand: Stand, path: str):
    """Wrong if a signature did not stand for every file."""
    folder = stand.sign(LeaveLaw())
    (folder / path).write_bytes((folder / path).read_bytes() + b"\n")
    with pytest.raises(PackRefused) as caught:
        stand.node.offer(TENANT, folder, {})
    assert caught.value.code == "pack-changed"


def test_a_pack_whose_cases_fail_is_neither_signed_nor_installed(stand: Stand):
    """Wrong if law could be put to use that fails its own examples."""
    folder = stand.sign(LeaveLaw())
    case = folder / "tests" / "cases.yaml"
    case.write_text(case.read_text().replace("outcome: paid", "outcome: nothing"))
    with pytest.raises(PackRefused) as caught:
        stand.node.sign_pack(TENANT, folder, {})
    assert caught.value.code == "pack-cases"
    files = content_of({each.relative_to(folder).as_posix(): each.read_bytes() for each in folder.rglob("*.*")})
    lock = lock_of(load_pack(NAME, files), files, engine_name())
    (folder / "pack.lock").write_bytes(write_lock(lock))
    (folder / "pack.sig").write_bytes(sign_lock(lock, stand.node.author(TENANT)))
    with pytest.raises(PackRefused) as caught:
        stand.node.offer(TENANT, folder, {})
    assert caught.value.code == "pack-cases"
    assert stand.types() == []


def test_a_key_that_is_revoked_stops_what_it_signed(stand: Stand):
    """Wrong if law went on deciding after its author's key was found stolen."""
    stand.install(LeaveLaw())
    key = stand.node.author(TENANT).verifier.text()
    offer = stand.node.offer(TENANT, stand.sign(LeaveLaw(version="1.1.0")), {})
    stand.node.supervisor.registry(TENANT).untrust(key, stand.node.actor(TENANT))
    for act in (stand.decide, lambda: stand.node.install_pack(TENANT, offer)):
        with pytest.raises(NotTrusted) as caught:
            act()
        assert caught.value.code == "key-revoked"
    with pytest.raises(NotTrusted):
        stand.node.activate_pack(TENANT, NAME, "1.0.0")


def test_files_that_a_pack_pins_are_found_by_what_they_are_and_kept(stand: Stand):
    """Wrong if law could be installed without a text that it rests on, or with another text in its place."""
    text, place = b"The act, as its publisher has it.", stand.folder / "texts"
    found = f"sha256: {digest(text)[7:]}, url: 'https://example.org/act', licence: CC0-1.0"
    pinned = f"attachments: [{{path: act.txt, {found}}}]\n"
    folder = LeaveLaw().write(stand.folder / "law")
    (folder / "pack.yaml").write_text((folder / "pack.yaml").read_text() + pinned)
    (place / "inner").mkdir(parents=True)
    (place / "inner" / "any name").write_bytes(text)
    (place / "act.txt").write_bytes(b"Something else.")
    _, files, _ = stand.node.sign_pack(TENANT, folder, {})
    for name, content in files.items():
        (folder / name).write_bytes(content)
    with pytest.raises(PackRefused) as caught:
        stand.node.offer(TENANT, folder, {})
    assert caught.value.code == "pack-attachment"
    (place / "link").symlink_to(folder / "pack.yaml")
    found = stand.node.attachments_in(place)
    assert sorted(found) == sorted([digest(text), digest(b"Something else.")])
    stand.node.install_pack(TENANT, stand.node.offer(TENANT, folder, found))
    shutil.rmtree(place)
    stand.reopen()
    assert stand.decide() == "capped"
    (attached,) = stand.node.law(TENANT, NAME).pack.attachments
    assert attached.content == text
    (record,) = [each for each in stand.node.ledger(TENANT).records() if each.event_type == "pack.installed"]
    assert record.detail["attachments"] == [digest(text)]


# --- which version, and when ----------------------------------------------------------------------------------------


def test_a_version_takes_over_on_its_day_and_not_before(stand: Stand):
    """Wrong if next year's law decided today, or not next year."""
    stand.install(LeaveLaw())
    stand.install(LeaveLaw(version="2.0.0", cap=4_321), active_from="2030-02-01")
    seen = {}
    for day in ("2030-01-01", "2030-01-31", "2030-02-01", "2031-01-01"):
        stand.clock.set(at(day))
        seen[day] = (stand.version(), stand.decide())
    assert seen == {
        "2030-01-01": ("1.0.0", "capped"),
        "2030-01-31": ("1.0.0", "capped"),
        "2030-02-01": ("2.0.0", "paid"),
        "2031-01-01": ("2.0.0", "paid"),
    }


def test_a_stream_that_goes_on_over_midnight_changes_its_law_on_the_day(stand: Stand):
    """Wrong if a process that runs for weeks went on deciding by the law of the day on which it was started."""
    stand.install(LeaveLaw())
    stand.install(LeaveLaw(version="2.0.0", cap=4_321), active_from="2030-02-01")

    def days() -> Iterator[RawInput]:
        """Give the same facts, each a day later."""
        for day in ("2030-01-30", "2030-01-31", "2030-02-01", "2030-02-02"):
            stand.clock.set(at(day))
            yield RawInput(media="json", body=json.dumps(FACTS))

    outcomes = [answer.outcome for answer in stand.node.decide(TENANT, NAME, days(), batch=1)]
    assert outcomes == ["capped", "capped", "paid", "paid"]


def test_a_version_says_since_and_until_when_it_is_used(stand: Stand):
    """Wrong if nobody could see that another law is planned."""
    stand.install(LeaveLaw())
    stand.install(LeaveLaw(version="2.0.0"), active_from="2030-02-01")
    used = stand.node.installer(TENANT).in_use(NAME)
    assert used is not None
    assert (used.version, used.since, used.until) == ("1.0.0", "2030-01-01", "2030-02-01")


def test_a_pack_whose_first_day_is_to_come_says_so(stand: Stand):
    """Wrong if it decided already, or seemed not to be there."""
    stand.install(LeaveLaw(), active_from="2030-02-01")
    with pytest.raises(NotFound) as caught:
        stand.decide()
    assert caught.value.code == "pack-not-yet"
    assert "2030-02-01" in caught.value.message


def test_a_mended_version_of_today_leaves_that_of_next_year(stand: Stand):
    """Wrong if correcting today's law cancelled the one that is planned."""
    stand.install(LeaveLaw())
    stand.install(LeaveLaw(version="2.0.0"), active_from="2030-02-01")
    stand.install(LeaveLaw(version="1.0.1"))
    assert stand.version() == "1.0.1"
    stand.clock.set(at("2030-02-01"))
    assert stand.version() == "2.0.0"


def test_an_older_version_is_refused_but_by_rolling_back(stand: Stand):
    """Wrong if an old signed pack could be slipped in as if it were new."""
    stand.install(LeaveLaw())
    stand.install(LeaveLaw(version="1.1.0", cap=4_321))
    with pytest.raises(PackRefused) as caught:
        stand.install(LeaveLaw())
    assert caught.value.code == "pack-downgrade"
    assert stand.decide() == "paid"
    stand.node.activate_pack(TENANT, NAME, "1.0.0")
    assert (stand.version(), stand.decide()) == ("1.0.0", "capped")
    stand.node.activate_pack(TENANT, NAME, "1.1.0", active_from="2030-03-01")
    assert stand.version() == "1.0.0"
    stand.clock.set(at("2030-03-01"))
    assert stand.version() == "1.1.0"


def test_a_plan_can_be_taken_back_before_its_day(stand: Stand):
    """Wrong if a law that was planned could not be stopped."""
    stand.install(LeaveLaw())
    stand.install(LeaveLaw(version="2.0.0"), active_from="2030-02-01")
    stand.node.activate_pack(TENANT, NAME, "1.0.0", active_from="2030-02-01")
    stand.clock.set(at("2030-02-02"))
    assert stand.version() == "1.0.0"


def test_a_clock_that_goes_back_brings_no_old_law_back(stand: Stand):
    """Wrong if setting the machine's clock back were a way around a new law."""
    stand.install(LeaveLaw())
    stand.clock.set(at("2030-06-01"))
    stand.install(LeaveLaw(version="1.1.0", cap=4_321))
    stand.clock.set(at("2029-01-01"))
    assert (stand.version(), stand.decide()) == ("1.1.0", "paid")


def test_a_version_names_one_content_for_ever(stand: Stand):
    """Wrong if other law could hide behind a version that was shown to people."""
    stand.install(LeaveLaw())
    with pytest.raises(PackRefused) as caught:
        stand.install(LeaveLaw(cap=1))
    assert caught.value.code == "pack-version-taken"


@pytest.mark.parametrize("day", ["2029-12-31", "2030-02-30", "soon"])
def test_a_first_day_is_a_day_to_come(stand: Stand, day: str):
    """Wrong if a version could claim to have been used before it was installed."""
    with pytest.raises(UsageRefused):
        stand.install(LeaveLaw(), active_from=day)
    assert stand.types() == []


def test_a_version_that_is_not_here_cannot_be_activated(stand: Stand):
    """Wrong if a typing error left a tenant without law."""
    stand.install(LeaveLaw())
    with pytest.raises(NotFound) as caught:
        stand.node.activate_pack(TENANT, NAME, "3.0.0")
    assert caught.value.code == "pack-version-not-found"
    assert stand.version() == "1.0.0"


def test_what_is_installed_already_costs_no_record(stand: Stand):
    """Wrong if installing twice looked like two changes of law."""
    stand.install(LeaveLaw())
    before = stand.types()
    stand.install(LeaveLaw())
    stand.node.activate_pack(TENANT, NAME, "1.0.0")
    assert stand.types() == before == ["pack.installed", "pack.activated"]


def test_a_folder_that_somebody_decides_by_installs_nothing(stand: Stand):
    """Wrong if trying an unsigned folder changed what others decide by."""
    folder = LeaveLaw().write(stand.folder)
    list(stand.node.decide(TENANT, str(folder), [RawInput(media="json", body=json.dumps(FACTS))]))
    (record,) = [each for each in stand.node.ledger(TENANT).records() if each.event_type == "pack.installed"]
    assert record.detail["key"] is None
    assert stand.version() is None


# --- whom to believe ------------------------------------------------------------------------------------------------


def test_the_next_process_knows_what_is_installed(stand: Stand):
    """Wrong if what was installed were forgotten, or only believed from a file beside the ledger."""
    stand.install(LeaveLaw())
    stand.install(LeaveLaw(version="2.0.0"), active_from="2030-02-01")
    stand.reopen()
    assert stand.version() == "1.0.0"
    for each in (stand.home / "tenants" / TENANT / "cursors").glob("modules*"):
        each.unlink()
    stand.reopen()
    assert stand.version() == "1.0.0"
    stand.clock.set(at("2030-02-01"))
    assert stand.version() == "2.0.0"


def test_a_long_history_is_not_folded_by_each_process(stand: Stand):
    """Wrong if deciding took longer to begin the more was decided."""
    stand.install(LeaveLaw())
    inputs = [RawInput(media="json", body=json.dumps(FACTS))] * RECORDS_PER_KEEPING
    assert len(list(stand.node.decide(TENANT, NAME, inputs))) == RECORDS_PER_KEEPING
    stand.decide()
    stand.reopen()
    size = stand.node.ledger(TENANT).size()
    state = stand.node.installer(TENANT).state
    kept = json.loads((stand.home / "tenants" / TENANT / "cursors" / "modules.json").read_bytes().partition(b"\n")[2])
    assert size - kept["cursor"]["count"] < 10
    assert state.now().cursor.count == size


def test_a_kept_state_that_was_changed_is_not_believed(stand: Stand):
    """Wrong if a byte in a file beside the ledger could bring an old version back."""
    stand.install(LeaveLaw())
    stand.install(LeaveLaw(version="1.1.0", cap=4_321))
    state = stand.home / "tenants" / TENANT / "cursors" / "modules.json"
    kept = state.read_bytes()
    assert kept.count(b'"version":"1.1.0"') >= 2
    state.write_bytes(kept.replace(b'"version":"1.1.0"', b'"version":"1.0.0"'))
    stand.reopen()
    assert stand.decide() == "paid"


def test_a_record_that_was_changed_brings_no_old_version_back(stand: Stand):
    """Wrong if a flipped byte of the ledger could decide which law is used."""
    stand.install(LeaveLaw())
    stand.install(LeaveLaw(version="1.1.0", cap=4_321))
    stand.decide()
    stand.node.close()
    (segment,) = (stand.home / "tenants" / TENANT / "ledger" / "seg").glob("*.jsonl")
    lines = segment.read_bytes().splitlines(keepends=True)
    last = max(at for at, line in enumerate(lines) if b'"pack.activated"' in line)
    lines[last] = lines[last].replace(b'"version":"1.1.0"', b'"version":"1.0.0"')
    segment.write_bytes(b"".join(lines))
    (stand.home / "tenants" / TENANT / "cursors" / "modules.json").unlink()
    stand.node = stand.open()
    with pytest.raises(LedgerBroken):
        stand.decide()


def test_another_tenant_has_its_own_law(stand: Stand):
    """Wrong if a change of one tenant's law reached another."""
    stand.install(LeaveLaw())
    Node.init(stand.home, "other")
    assert stand.node.installer("other").in_use(NAME) is None


# --- what is told ---------------------------------------------------------------------------------------------------


def test_a_corrected_reading_names_what_it_corrects(stand: Stand):
    """Wrong if nobody could see that an earlier decision rested on a reading that was given up."""
    stand.install(LeaveLaw())
    stand.decide()
    decided = stand.node.ledger(TENANT).size() - 1
    assert "superseded_by" not in stand.node.explain(TENANT, decided).to_json()["pack"]
    stand.install(LeaveLaw(version="1.0.1", cap=4_400, supersedes="1.0.0"))
    later = stand.node.installer(TENANT).superseding(NAME, "1.0.0")
    assert later is not None
    assert later.version == "1.0.1"
    comparison = stand.node.compare(TENANT, f"{NAME}@1.0.0", "1.0.1")
    assert comparison.to_json()["supersedes"] == {"version": "1.0.0", "digest": None, "reason": "The cap was misread."}
    installed = [each for each in stand.node.pack_history(TENANT, NAME) if each["what"] == "installed"]
    explained = stand.node.explain(TENANT, decided)
    Schemas().contract("explanation").check(explained.to_json(), subject="the explanation")
    assert explained.to_json()["pack"]["superseded_by"] == {
        "version": "1.0.1",
        "digest": later.digest,
        "reason": "The cap was misread.",
        "record": later.record,
    }
    (origin,) = [each for each in explained.tree().branches if each.text == "origin"]
    assert "version 1.0.1 corrects this one: The cap was misread." in [each.text for each in origin.branches]
    assert [each.get("supersedes") for each in installed] == [None, {"version": "1.0.0"}]


def test_history_tells_every_change_in_order(stand: Stand):
    """Wrong if a regulator could not be shown which law was used when."""
    stand.install(LeaveLaw())
    stand.clock.set(at("2030-01-15"))
    stand.install(LeaveLaw(version="2.0.0"), active_from="2030-02-01")
    stand.node.activate_pack(TENANT, NAME, "1.0.0", active_from="2030-03-01")
    events = stand.node.pack_history(TENANT, NAME)
    assert [(each["what"], each["version"], each.get("from")) for each in events] == [
        ("installed", "1.0.0", None),
        ("activated", "1.0.0", None),
        ("installed", "2.0.0", None),
        ("activated", "2.0.0", "2030-02-01"),
        ("activated", "1.0.0", "2030-03-01"),
    ]


def test_both_sides_of_a_comparison_can_be_named_in_every_way(stand: Stand):
    """Wrong if a version, a digest, a name or a folder meant something else than it says."""
    stand.install(LeaveLaw())
    inputs = [RawInput(media="json", body=json.dumps(each)) for each in facts(40)]
    assert len(list(stand.node.decide(TENANT, NAME, inputs))) == 40
    folder = stand.sign(LeaveLaw(version="1.1.0", cap=4_321))
    expected = [each.record for each in stand.node.compare(TENANT, None, str(folder)).run()]
    assert expected
    stand.node.install_pack(TENANT, stand.node.offer(TENANT, folder, {}))
    first, second = (
        load_pack(NAME, LeaveLaw(**each).files()).digest for each in ({}, {"version": "1.1.0", "cap": 4_321})
    )
    for old, new in (
        (NAME, f"{NAME}@1.1.0"),
        (f"{NAME}@1.0.0", "1.1.0"),
        ("1.0.0", str(folder)),
        (first, second),
        (None, second),
        (first, NAME),
        (str(LeaveLaw().write(stand.folder / "before")), f"{NAME}@1.1.0"),
    ):
        assert [each.record for each in stand.node.compare(TENANT, old, new).run()] == expected, (old, new)
    with pytest.raises(UsageRefused) as caught:
        stand.node.compare(TENANT, None, "1.1.0")
    assert caught.value.code == "pack-version-bare"
    for wrong in (f"{NAME}@9.9.9", "sha256:" + "0" * 64, "no-such-law", "../up"):
        with pytest.raises(NotFound):
            stand.node.compare(TENANT, None, wrong)
