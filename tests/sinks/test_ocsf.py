"""A record in the shape of OCSF: what the class requires, the same bytes each time, nothing left out."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest

from bailiwick.model import Actor, Record
from bailiwick.sinks import audit_event
from bailiwick.sinks.ocsf import severity

ORIGIN = "bailiwick/0123456789abcdef"
GOLDEN = Path(__file__).with_name("api-activity.json")
REQUIRED = {
    "": {"activity_id", "actor", "api", "category_uid", "class_uid", "metadata"}
    | {"severity_id", "src_endpoint", "time", "type_uid"},
    "metadata": {"product", "version"},
    "api": {"operation"},
    "raw_data_hash": {"algorithm_id", "value"},
}  # fmt: skip
"""What OCSF 1.8.0 requires of the class API Activity and of the objects that are used."""


def record(event_type: str = "decision.sealed", **detail) -> Record:
    """Give a record as it is stored."""
    stored = {
        "actor_id": "local:0123456789abcdef",
        "actor_role": "operator",
        "detail": {"outcome": "report-within-8-hours", **detail},
        "entry_id": 17,
        "event_type": event_type,
        "node_id": "fedcba9876543210",
        "prev_hash": "ab" * 32,
        "resource": "pack/us-osha-1904",
        "timestamp": "2020-09-13T12:26:40.123456789Z",
    }
    return Record(
        index=17,
        raw=json.dumps(stored, separators=(",", ":"), ensure_ascii=False).encode(),
        event_type=event_type,
        resource=stored["resource"],
        detail=stored["detail"],
        actor=Actor(id=stored["actor_id"], role=stored["actor_role"]),
        node_id=stored["node_id"],
        timestamp=stored["timestamp"],
        prev_hash=stored["prev_hash"],
    )


def test_the_shape_of_a_record_does_not_move():
    """Wrong if the searches of everybody who receives events break."""
    body = audit_event("local", ORIGIN, record()).body
    assert json.loads(body) == json.loads(GOLDEN.read_text())


@pytest.mark.parametrize(
    "event_type", ["decision.sealed", "effect.result", "panic.set", "ledger.checkpoint", "new.thing"]
)
def test_what_the_class_requires_is_there(event_type):
    """Wrong if a receiver that validates OCSF refuses our events."""
    event = json.loads(audit_event("local", ORIGIN, record(event_type)).body)
    for place, names in REQUIRED.items():
        assert names <= (event[place] if place else event).keys()
    assert event["type_uid"] == event["class_uid"] * 100 + event["activity_id"] == 600_300 + event["activity_id"]
    assert event["class_uid"] // 1_000 == event["category_uid"]
    assert event["time"] == 1_600_000_000_123


def test_a_receiver_can_check_leaf_and_record():
    """Wrong if what a receiver has cannot be tied to the ledger."""
    given = record()
    event = audit_event("local", ORIGIN, given)
    sent = json.loads(event.body)
    assert sent["raw_data"].encode() == given.raw
    assert sent["raw_data_hash"]["value"] == sha256(given.raw).hexdigest()
    assert sent["unmapped"]["leaf"] == sha256(b"\x00" + given.raw).hexdigest() == event.leaf
    assert (sent["metadata"]["uid"], event.key) == (f"{ORIGIN}#17", f"{ORIGIN}#17")


def test_the_same_record_gives_the_same_bytes():
    """Wrong if a second delivery looks like another event."""
    assert audit_event("local", ORIGIN, record()).body == audit_event("local", ORIGIN, record()).body


def test_an_event_is_one_line_whatever_it_holds():
    """Wrong if a line end in a record breaks a line-based receiver, or a deep detail stops the sink."""
    deep: dict = {}
    for _ in range(62):
        deep = {"d": deep}
    body = audit_event("local", ORIGIN, record(text="a\nb\r\u2028\x00", deep=deep)).body
    assert b"\n" not in body
    assert b"\r" not in body
    assert json.loads(body)["unmapped"]["detail"]["text"] == "a\nb\r\u2028\x00"


@pytest.mark.parametrize(
    ("event_type", "activity", "level"),
    [
        ("decision.sealed", (1, "Create"), 1),
        ("effect.result", (99, "result"), 1),
        ("panic.set", (3, "Update"), 3),
        ("ledger.genesis", (1, "Create"), 1),
        ("ledger.checkpoint", (99, "checkpoint"), 1),
        ("ledger.recovered", (3, "Update"), 4),
        ("ledger.pruned", (4, "Delete"), 1),
        ("subject.erased", (4, "Delete"), 1),
        ("clock.regression", (99, "regression"), 3),
        ("sink.skipped", (99, "skipped"), 3),
        ("access.denied", (99, "denied"), 2),
    ],
)
def test_types_have_their_activity_and_severity(event_type, activity, level):
    """Wrong if an alert is set on what nobody sends, or a recovery is filed under routine."""
    event = json.loads(audit_event("local", ORIGIN, record(event_type)).body)
    assert (event["activity_id"], event["activity_name"]) == activity
    assert event["severity_id"] == severity(event_type) == level
    assert event["status_id"] == (2 if event_type == "access.denied" else 1)
