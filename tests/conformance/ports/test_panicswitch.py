"""Every panic switch: thrown and released by people, and frozen at the slightest doubt."""

from __future__ import annotations

import errno
import json
import threading
from pathlib import Path

import pytest

from bailiwick.adapters.disk_memory import MemoryDisk
from bailiwick.adapters.disk_system import SystemDisk
from bailiwick.adapters.panicswitch_file import PANIC_BYTES_MAX, REASON_CHARACTERS_MAX, FilePanicSwitch
from bailiwick.adapters.panicswitch_joined import JoinedPanicSwitch
from bailiwick.adapters.panicswitch_memory import MemoryPanicSwitch
from bailiwick.errors import Unavailable
from bailiwick.ports import PanicSwitch
from bailiwick.schema import Schemas, parse_document
from bailiwick.testing import FaultyDisk, fail

AT = "2020-09-25T08:00:00.000000000Z"


@pytest.fixture(params=["memory", "file", "file-on-a-disk-in-memory", "joined"])
def switch(request: pytest.FixtureRequest, tmp_path: Path):
    """Give each switch in turn, as nobody has set it yet."""
    if request.param == "memory":
        yield MemoryPanicSwitch()
        return
    if request.param == "joined":
        node = MemoryPanicSwitch()
        put(node, frozen=False)
        yield JoinedPanicSwitch(MemoryPanicSwitch(), node)
        return
    disk = SystemDisk() if request.param == "file" else MemoryDisk()
    disk.make_folder(tmp_path)
    yield FilePanicSwitch(tmp_path / "panic.json", disk)
    disk.close()


def put(switch: PanicSwitch, *, frozen: bool, reason: str = "") -> None:
    """Set a switch."""
    switch.set(frozen=frozen, reason=reason, by="operator-1", at=AT)


# --- every switch ---------------------------------------------------------------------------------------------------


def test_a_switch_that_nobody_set_is_frozen(switch: PanicSwitch):
    """Effects would start on a node whose switch was lost."""
    assert switch.is_frozen()
    assert switch.state()["frozen"] is True
    assert switch.state()["readable"] is False


def test_effects_start_only_after_release(switch: PanicSwitch):
    """The switch could not be released, or not be thrown again."""
    put(switch, frozen=False)
    assert not switch.is_frozen()
    put(switch, frozen=True, reason="wrong address")
    assert switch.is_frozen()
    put(switch, frozen=False)
    assert not switch.is_frozen()


def test_the_state_says_who_when_and_why(switch: PanicSwitch):
    """Nobody would know whom to ask before releasing it."""
    put(switch, frozen=True, reason='wrong "address"\né')
    state = dict(switch.state())
    assert state == {
        "frozen": True,
        "readable": True,
        "reason": 'wrong "address"\né',
        "since": AT,
        "by": "operator-1",
    }


def test_the_state_keeps_its_contract(switch: PanicSwitch):
    """Programs that read it would break."""
    schemas = Schemas()
    schemas.check("panic-state", dict(switch.state()))
    put(switch, frozen=False)
    schemas.check("panic-state", dict(switch.state()))


def test_setting_from_many_threads_leaves_one_whole_state(switch: PanicSwitch):
    """Two operators at once could leave half a file, or a switch that cannot be read."""
    threads = [
        threading.Thread(target=lambda number=number: put(switch, frozen=number % 2 == 0, reason=f"r{number}" * 20))
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    state = switch.state()
    assert state["readable"] is True
    assert str(state["reason"]) in {f"r{number}" * 20 for number in range(8)}


# --- several as one -------------------------------------------------------------------------------------------------


def test_any_of_several_switches_freezes_and_only_ones_own_is_set():
    """Releasing a tenant would release the whole node, or the node would not reach its tenants."""
    own, node = MemoryPanicSwitch(), MemoryPanicSwitch()
    joined = JoinedPanicSwitch(own, node)
    put(node, frozen=True, reason="the node")
    put(joined, frozen=False)
    assert (joined.is_frozen(), own.is_frozen()) == (True, False)
    assert joined.state()["reason"] == "the node"
    put(joined, frozen=True, reason="the tenant")
    assert joined.state()["reason"] == "the node", "the widest is told first"
    put(node, frozen=False)
    assert (joined.is_frozen(), joined.state()["reason"]) == (True, "the tenant")
    put(joined, frozen=False)
    assert not joined.is_frozen()


# --- the file -------------------------------------------------------------------------------------------------------

FREE = {"format": "bailiwick-panic/1", "frozen": False, "reason": "", "since": AT, "by": "init"}


def on_file(tmp_path: Path, content: bytes) -> FilePanicSwitch:
    """Give a switch whose file holds some bytes."""
    (tmp_path / "panic.json").write_bytes(content)
    return FilePanicSwitch(tmp_path / "panic.json", SystemDisk())


def test_a_file_written_by_hand_releases_if_it_is_whole(tmp_path: Path):
    """The doubtful cases below would prove nothing if nothing ever released."""
    assert not on_file(tmp_path, json.dumps(FREE).encode()).is_frozen()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00" * 100,
        b"false",
        b'{"frozen": false}',
        json.dumps(FREE).encode()[:-1],
        json.dumps(FREE).encode() + b"{}",
        b"\xef\xbb\xbf" + json.dumps(FREE).encode(),
        json.dumps(FREE).encode("utf-16"),
        b'{"frozen":true,' + json.dumps(FREE).encode()[1:],
        json.dumps({**FREE, "frozen": 0}).encode(),
        json.dumps({**FREE, "frozen": "false"}).encode(),
        json.dumps({**FREE, "frozen": None}).encode(),
        json.dumps({**FREE, "format": "bailiwick-panic/2"}).encode(),
        json.dumps({**FREE, "unknown": 1}).encode(),
        json.dumps({**FREE, "by": 7}).encode(),
        json.dumps(FREE).encode() + b" " * PANIC_BYTES_MAX,
        b"[" * 4_000,
    ],
    ids=lambda content: content[:40].decode("latin-1"),
)
def test_a_file_in_any_doubt_is_frozen(tmp_path: Path, content: bytes):
    """Half a write, a foreign file or a slip of an editor would let effects start."""
    switch = on_file(tmp_path, content)
    assert switch.is_frozen()
    assert switch.state()["readable"] is False
    assert "cannot be read" in str(switch.state()["reason"])


def test_a_folder_in_the_place_of_the_file_is_frozen(tmp_path: Path):
    """An odd file system would let effects start."""
    (tmp_path / "panic.json").mkdir()
    assert FilePanicSwitch(tmp_path / "panic.json", SystemDisk()).is_frozen()


def test_removing_the_file_freezes(tmp_path: Path):
    """The emergency brake that needs no program would not work."""
    switch = on_file(tmp_path, json.dumps(FREE).encode())
    (tmp_path / "panic.json").unlink()
    assert switch.is_frozen()
    assert switch.state()["reason"] == "there is no panic file"


def test_the_file_keeps_its_contract_and_is_private(tmp_path: Path):
    """Others could read who froze what, or the published contract would not be the truth."""
    switch = FilePanicSwitch(tmp_path / "panic.json", SystemDisk())
    put(switch, frozen=True, reason="x" * 10_000 + "\ud800")
    raw = (tmp_path / "panic.json").read_bytes()
    Schemas().check("panic", parse_document(raw))
    assert len(str(switch.state()["reason"])) == REASON_CHARACTERS_MAX
    assert (tmp_path / "panic.json").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["panic.json"]


def test_one_process_sees_what_another_set(tmp_path: Path):
    """A running executor would not notice the panic button."""
    running = FilePanicSwitch(tmp_path / "panic.json", SystemDisk())
    other = FilePanicSwitch(tmp_path / "panic.json", SystemDisk())
    put(other, frozen=False)
    assert not running.is_frozen()
    put(other, frozen=True)
    assert running.is_frozen()


STEPS = ["unlink", "create", "write", "sync", "rename", "sync_folder"]
HOME = Path("/home")


def set_before(disk: MemoryDisk, *, frozen: bool) -> None:
    """Set the switch of a home while its disk is still well."""
    disk.make_folder(HOME)
    put(FilePanicSwitch(HOME / "panic.json", disk), frozen=frozen)


def test_a_state_is_flushed_before_it_is_named():
    """A power cut would leave an empty file, or the state before; and the faults below would miss a step."""
    disk, steps = MemoryDisk(), []
    disk.make_folder(HOME)
    watched = FaultyDisk(disk, after=1, fault=lambda operation, _: steps.append(operation), stays=True)
    put(FilePanicSwitch(HOME / "panic.json", watched), frozen=True)
    assert steps == STEPS


@pytest.mark.parametrize("after", range(1, len(STEPS) + 1))
@pytest.mark.parametrize("was_frozen", [True, False])
def test_freezing_freezes_even_where_the_disk_fails(after: int, was_frozen: bool):
    """Somebody would press the button on a full disk, and effects would go on."""
    disk = MemoryDisk()
    set_before(disk, frozen=was_frozen)
    switch = FilePanicSwitch(HOME / "panic.json", FaultyDisk(disk, after=after, fault=fail(errno.ENOSPC)))
    with pytest.raises(Unavailable) as caught:
        put(switch, frozen=True, reason="stop")
    assert caught.value.code == "panic-unwritable"
    assert "effects are frozen" in caught.value.message
    assert switch.is_frozen()


@pytest.mark.parametrize("after", range(1, len(STEPS)))
def test_a_button_that_cannot_work_says_that_effects_go_on(after: int):
    """On a disk that takes no change at all, people would believe that everything had stopped."""
    disk = MemoryDisk()
    set_before(disk, frozen=False)
    switch = FilePanicSwitch(HOME / "panic.json", FaultyDisk(disk, after=after, fault=fail(errno.EROFS), stays=True))
    with pytest.raises(Unavailable) as caught:
        put(switch, frozen=True)
    assert not switch.is_frozen()
    assert "effects are NOT frozen" in caught.value.message


@pytest.mark.parametrize("after", range(1, len(STEPS) + 1))
def test_a_release_that_fails_leaves_the_switch_frozen(after: int):
    """Effects would start although nobody knows whether the release will outlive a power cut."""
    disk = MemoryDisk()
    set_before(disk, frozen=True)
    switch = FilePanicSwitch(HOME / "panic.json", FaultyDisk(disk, after=after, fault=fail(errno.EIO)))
    with pytest.raises(Unavailable):
        put(switch, frozen=False)
    assert switch.is_frozen()
    put(switch, frozen=False)
    assert not switch.is_frozen()
    assert disk.names(HOME) == ["panic.json"]
