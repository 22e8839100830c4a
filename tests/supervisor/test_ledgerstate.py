"""The folded state heals after a crash, after damage, after somebody else wrote, and is nobody's but its tenant's."""

from __future__ import annotations

import hmac
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick.adapters.cursorstore_memory import MemoryCursorStore
from bailiwick.errors import ModuleRefused, Unavailable
from bailiwick.model import Cursor, Record
from bailiwick.supervisor.ledgerstate import READER
from bailiwick.supervisor.state import FleetState, read_state

from .conftest import AUTHOR, CLOCK, OPERATOR, OTHER_TENANT, TENANT, asking, files_of, manifest_of

ASKING = manifest_of(capabilities=[asking(CLOCK, "now")])


@pytest.fixture
def stocked(registry):
    """Give a tenant's registry with a module, a grant and a revoked key."""
    registry.install(files_of(ASKING), OPERATOR)
    registry.grant("greeter", CLOCK, OPERATOR)
    return registry


def seen(house, **changes):
    """Give what a new process would see."""
    return house.open(**changes).registry(TENANT).state.now()


def test_a_new_process_sees_what_the_last_one_left(house, stocked):
    """Wrong if modules were forgotten between two commands."""
    assert seen(house) == stocked.state.now()
    assert seen(house, cursors=MemoryCursorStore()) == stocked.state.now()


class DyingCursorStore(MemoryCursorStore):
    """A store that fails to keep anything more, as where the process dies before it."""

    def put(self, tenant, reader, state):
        """Fail."""
        raise Unavailable("killed", hint="none")


def test_a_crash_between_record_and_state_loses_nothing(house, fleet):
    """Wrong if what was recorded, and so promised, were not so after a crash."""
    dying = house.open(cursors=DyingCursorStore())
    with pytest.raises(Unavailable):
        dying.registry(TENANT).install(files_of(ASKING), OPERATOR)
    assert house.types()[-1] == "module.installed"
    assert "greeter" in seen(house).modules
    assert house.open().call(TENANT, "greeter", "greet", b"{}", OPERATOR).value == {"greeting": "hello"}


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: b"",
        lambda raw: b"\xff" * 100,
        lambda raw: raw[:-1],
        lambda raw: raw[:40],
        lambda raw: raw.replace(b"clock", b"klock"),
        lambda raw: raw.partition(b"\n")[2],
        lambda raw: b"0" * 64 + b"\n" + raw.partition(b"\n")[2],
        lambda raw: raw + b" ",
        lambda raw: b"[" * 60_000,
    ],
    ids=range(9),
)
def test_a_damaged_state_is_folded_anew(house, stocked, damage):
    """Wrong if damage to a file that can be rebuilt stopped a tenant, or changed what it granted."""
    raw = house.cursors.get(TENANT, READER)
    house.cursors.put(TENANT, READER, damage(raw))
    assert seen(house) == stocked.state.now()


def test_a_state_that_somebody_wrote_by_hand_grants_nothing(house, stocked):
    """Wrong if whoever can write a file of the home could trust a key or grant a capability without a record."""
    raw = house.cursors.get(TENANT, READER)
    body = json.loads(raw.partition(b"\n")[2]) | {"trusted": ["evil+00000000+AAAA"]}
    house.cursors.put(TENANT, READER, raw.partition(b"\n")[0] + b"\n" + json.dumps(body).encode())
    assert seen(house).trusted == (AUTHOR.verifier.text(),)


def test_the_state_of_another_tenant_or_ledger_is_not_taken_over(house, stocked):
    """Wrong if copying a file carried one tenant's modules to another."""
    house.cursors.put(OTHER_TENANT, READER, house.cursors.get(TENANT, READER))
    other = house.open().registry(OTHER_TENANT).state.now()
    assert (dict(other.modules), other.trusted) == ({}, ())
    same_secret = house.open(secret_of=lambda tenant: b"the same for all")
    same_secret.registry(TENANT).trust(AUTHOR.verifier.text(), OPERATOR)
    house.cursors.put(OTHER_TENANT, READER, house.cursors.get(TENANT, READER))
    again = house.open(secret_of=lambda tenant: b"the same for all")
    assert again.registry(OTHER_TENANT).state.now().trusted == ()


def test_a_state_of_a_past_that_the_ledger_does_not_have_is_folded_anew(house, stocked):
    """Wrong if a ledger that was restored from a copy kept modules that its records do not tell of."""
    state = stocked.state.now()
    secret = house.open()._secret_of(TENANT)
    for cursor in (Cursor(count=state.cursor.count, leaf="0" * 64), Cursor(count=10_000, leaf=state.cursor.leaf)):
        forged = replace(state, cursor=cursor, trusted=("x",))
        house.cursors.put(TENANT, READER, forged.to_bytes(secret))
        assert seen(house) == state


def test_two_processes_see_one_anothers_acts_at_once(house, stocked):
    """Wrong if a key revoked at one terminal still let modules in at another."""
    other = house.open().registry(TENANT)
    assert other.state.now().keys.trusted
    stocked.untrust(AUTHOR.verifier.text(), OPERATOR)
    assert other.state.now().keys.trusted == frozenset()
    other.ungrant("greeter", CLOCK, OPERATOR)
    assert stocked.state.now().grants == {}


def test_a_state_reads_back_as_it_was_written(stocked):
    """Wrong if keeping a state changed it."""
    state = stocked.state.now()
    assert read_state(state.to_bytes(b"secret"), b"secret") == state


@given(st.binary(max_size=200))
def test_random_bytes_are_no_state(raw):
    """Wrong if damage raised anything but the one error that leads to folding anew."""
    with pytest.raises(ValueError, match="MAC"):
        read_state(raw, b"secret")


def test_a_state_with_the_right_mac_and_another_content_is_refused(stocked):
    """Wrong if a later format were read as this one."""
    for body in (b"{}", b"[]", b'{"format":"bailiwick-modules/2"}', b'{"format":"bailiwick-modules/1"}'):
        mac = hmac.new(b"secret", b"bailiwick-modules-state\n" + body, "sha256").hexdigest().encode()
        with pytest.raises(ValueError, match=r"read|format"):
            read_state(mac + b"\n" + body, b"secret")


def test_the_fuel_of_a_day_is_not_given_back_by_a_clock_that_goes_back():
    """Wrong if setting the clock back gave a tenant a new day's fuel."""
    state = FleetState(origin="x")
    for index, time in enumerate(["2026-11-22T00:00:00.000000000Z", "2026-11-21T23:59:59.999999999Z"]):
        state = state.fold(
            Record(
                index=index,
                raw=b"",
                event_type="module.called",
                resource="call/0",
                detail={"fuel": 7, "code": None, "module": {"name": "greeter"}},
                actor=OPERATOR,
                node_id="n-1",
                timestamp=time,
                prev_hash="",
            )
        )
    assert (state.fuel_of("2026-11-22"), state.fuel_of("2026-11-23")) == (14, 0)


def test_many_who_install_at_one_time_install_once(house, stocked):
    """Wrong if two terminals could both be the first, or both put another version in place."""
    doors = [house.open().registry(TENANT) for _ in range(8)]
    files = [files_of(manifest_of("other", version=f"1.0.{number % 2}")) for number in range(8)]

    def install(door, given) -> str:
        try:
            return door.install(given, OPERATOR).version
        except ModuleRefused as refused:
            return refused.code

    with ThreadPoolExecutor(8) as threads:
        ends = list(threads.map(install, doors, files))
    installed = [each.detail["version"] for each in house.events() if each.detail.get("name") == "other"
                 and each.event_type == "module.installed"]  # fmt: skip
    assert installed in (["1.0.1"], ["1.0.0", "1.0.1"])
    assert set(ends) <= {"1.0.0", "1.0.1", "module-downgrade"}
    assert {door.state.now().modules["other"].version for door in doors} == {"1.0.1"}
