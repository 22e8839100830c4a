"""Every effect channel: a message leaves once for each key, whole or not at all, and only if it is one."""

from __future__ import annotations

import errno
import threading
from pathlib import Path

import pytest

from bailiwick.adapters.disk_memory import MemoryDisk
from bailiwick.adapters.disk_system import SystemDisk
from bailiwick.adapters.effectchannel_folder import FolderEffectChannel
from bailiwick.adapters.effectchannel_memory import MemoryEffectChannel
from bailiwick.adapters.effectchannel_message import EFFECT_BYTES_MAX
from bailiwick.canonical import canonical_bytes
from bailiwick.errors import BailiwickError, Unavailable
from bailiwick.ports import EffectChannel
from bailiwick.schema import Schemas, parse_document
from bailiwick.testing import FaultyDisk, fail

HASH = "ab" * 32
KEY = f"hmac-sha256:{HASH}"
OTHER = f"hmac-sha256:{'cd' * 32}"


def message(key: str = KEY, **parameters) -> dict:
    """Give a message."""
    return {
        "key": key,
        "type": "notify-osha-area-office",
        "parameters": parameters,
        "decision": {
            "pack": {"name": "us-osha-1904", "version": "1.0.0", "digest": f"sha256:{HASH}"},
            "outcome": "report-within-8-hours",
        },
        "legal_date": "2020-09-25",
        "receipt": {"index": 17, "leaf": HASH},
    }


@pytest.fixture(params=["memory", "folder", "folder-on-a-disk-in-memory"])
def channel(request: pytest.FixtureRequest, tmp_path: Path):
    """Give each channel in turn."""
    if request.param == "memory":
        yield MemoryEffectChannel()
        return
    disk = SystemDisk() if request.param == "folder" else MemoryDisk()
    yield FolderEffectChannel(tmp_path, disk)
    disk.close()


# --- every channel --------------------------------------------------------------------------------------------------


def test_the_first_delivery_is_now_and_the_second_was_before(channel: EffectChannel):
    """Asking again after a crash would notify an office twice, or never say that it was done."""
    assert channel.deliver("local", KEY, message())["delivered"] == "now"
    again = channel.deliver("local", KEY, message())
    assert again["delivered"] == "before"
    assert "differs" not in again


def test_another_message_under_the_same_key_is_told_and_not_sent(channel: EffectChannel):
    """A second act would hide behind the key of the first."""
    channel.deliver("local", KEY, message(hours=8))
    came = channel.deliver("local", KEY, message(hours=24))
    assert (came["delivered"], came["differs"]) == ("before", True)
    assert channel.deliver("local", KEY, message(hours=8)) == {
        key: value for key, value in came.items() if key != "differs"
    }


def test_two_keys_are_two_acts(channel: EffectChannel):
    """One act would swallow another."""
    assert channel.deliver("local", KEY, message())["delivered"] == "now"
    assert channel.deliver("local", OTHER, message(OTHER))["delivered"] == "now"


def test_tenants_have_acts_of_their_own(channel: EffectChannel):
    """One tenant's act would pass for another's."""
    assert channel.deliver("local", KEY, message())["delivered"] == "now"
    assert channel.deliver("other", KEY, message())["delivered"] == "now"


def test_what_came_of_it_can_stand_in_a_record(channel: EffectChannel):
    """The result of an effect could not be recorded."""
    schemas = Schemas()
    for hours in (8, 8, 24):
        came = channel.deliver("local", KEY, message(hours=hours))
        schemas.check("effect-result", {"key": KEY, "type": "notify", "record": 17, **came})


@pytest.mark.parametrize(
    ("tenant", "key", "content", "code"),
    [
        ("local", "../../etc/passwd", message("../../etc/passwd"), "effect-key"),
        ("local", KEY.upper(), message(KEY.upper()), "effect-key"),
        ("local", KEY + "\n", message(KEY + "\n"), "effect-key"),
        ("local", "", message(""), "effect-key"),
        ("../other", KEY, message(), "tenant-name"),
        ("local", KEY, message(OTHER), "effect-key-differs"),
        ("local", KEY, {**message(), "facts": {}}, "schema-violated"),
        ("local", KEY, {}, "schema-violated"),
        ("local", KEY, message(hours=7.5), "schema-violated"),
        ("local", KEY, message(text="x" * EFFECT_BYTES_MAX), "effect-too-large"),
    ],
    ids=["path", "upper case", "line end", "empty", "tenant", "other key", "extra", "empty", "fraction", "large"],
)
def test_what_is_no_message_stays_here(channel: EffectChannel, tenant: str, key: str, content: dict, code: str):
    """Anything could leave the node under any name, a file outside the outbox most of all."""
    with pytest.raises(BailiwickError) as caught:
        channel.deliver(tenant, key, content)
    assert caught.value.code == code


def test_many_threads_deliver_one_act_once(channel: EffectChannel):
    """Two executors at once would act twice."""
    came: list = []
    threads = [
        threading.Thread(target=lambda: came.append(channel.deliver("local", KEY, message())["delivered"]))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(came) == ["before"] * 7 + ["now"]


# --- the folder -----------------------------------------------------------------------------------------------------


def test_the_outbox_holds_one_file_of_the_message(tmp_path: Path):
    """Whoever takes from the folder would find something else than what was asked for."""
    channel = FolderEffectChannel(tmp_path, SystemDisk())
    came = channel.deliver("local", KEY, message(hours=8))
    outbox = tmp_path / "local" / "outbox"
    assert [path.name for path in outbox.iterdir()] == [f"{HASH}.json"]
    assert came["file"] == f"outbox/{HASH}.json"
    raw = (outbox / f"{HASH}.json").read_bytes()
    assert raw == canonical_bytes(message(hours=8)) + b"\n"
    Schemas().check("effect-message", parse_document(raw))
    assert (outbox / f"{HASH}.json").stat().st_mode & 0o777 == 0o600


def test_another_process_sees_what_was_delivered(tmp_path: Path):
    """An executor that starts after a crash would act again."""
    FolderEffectChannel(tmp_path, SystemDisk()).deliver("local", KEY, message())
    assert FolderEffectChannel(tmp_path, SystemDisk()).deliver("local", KEY, message())["delivered"] == "before"


STEPS = ["unlink", "create", "write", "sync", "rename", "sync_folder"]
OUTBOX = Path("/tenants/local/outbox")
FILE = f"{HASH}.json"


def watched(disk: MemoryDisk, steps: list[str]) -> FolderEffectChannel:
    """Give a channel whose changes of the disk are listed."""
    return FolderEffectChannel(
        Path("/tenants"), FaultyDisk(disk, after=1, fault=lambda operation, _: steps.append(operation), stays=True)
    )


def test_a_delivery_is_flushed_before_it_is_named_and_named_before_it_is_told():
    """After a power cut a message that was reported as delivered would be empty or gone."""
    steps: list[str] = []
    watched(MemoryDisk(), steps).deliver("local", KEY, message())
    assert steps == STEPS


@pytest.mark.parametrize("after", range(1, len(STEPS) + 1))
def test_after_any_fault_asking_again_delivers_once_and_whole(after: int):
    """A fault would lose the act, leave half a message, or do it twice."""
    disk = MemoryDisk()
    channel = FolderEffectChannel(Path("/tenants"), FaultyDisk(disk, after=after, fault=fail(errno.EIO)))
    with pytest.raises(Unavailable) as caught:
        channel.deliver("local", KEY, message())
    assert caught.value.code == "outbox-unwritable"
    assert FILE not in disk.names(OUTBOX) or parse_document(disk.read(OUTBOX / FILE)) == message()
    assert channel.deliver("local", KEY, message())["delivered"] == ("before" if after == len(STEPS) else "now")
    assert disk.names(OUTBOX) == [FILE]
    assert parse_document(disk.read(OUTBOX / FILE)) == message()


def test_a_name_that_may_not_be_durable_is_flushed_when_asked_again():
    """A message that was told as delivered before could vanish with a power cut."""
    disk = MemoryDisk()
    failing = FaultyDisk(disk, after=len(STEPS), fault=fail(errno.EIO))
    with pytest.raises(Unavailable):
        FolderEffectChannel(Path("/tenants"), failing).deliver("local", KEY, message())
    steps: list[str] = []
    assert watched(disk, steps).deliver("local", KEY, message())["delivered"] == "before"
    assert steps == ["sync_folder"]
