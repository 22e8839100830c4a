"""What is left of a node where a part of it is down: the ledger, the module runtime, or the input itself."""

from __future__ import annotations

import errno
import json
from dataclasses import dataclass

import pytest

from bailiwick.adapters.disk_system import SystemDisk
from bailiwick.decisions import Decided, Queued, RawInput, Refused, find_needs
from bailiwick.errors import BailiwickError, Unavailable
from bailiwick.node import Node
from bailiwick.settings import Settings
from bailiwick.testing import FaultyDisk, fail

TENANT = "local"
PACK = "us-osha-1904"
HEADER = "summary_nr,injury_line_nr,degree_of_inj,nature_of_inj,part_of_body,event_type"
FATAL, HOSPITAL = "221158942,1,1,11,26,2", "221159072,1,2,12,31,14"
DAY = "2024-01-01"


def rows(*bodies):
    """CSV rows as they are read from a file."""
    return [RawInput(media="csv", header=HEADER, body=body, line=line) for line, body in enumerate(bodies, 2)]


def settings_of(home):
    """The settings of a home, with nothing from the environment."""
    return Settings.resolve(home=home, tenant=TENANT, environ={})


@pytest.fixture
def home(tmp_path):
    """A new home."""
    Node.init(tmp_path / "home", TENANT)
    return tmp_path / "home"


class NodeWithoutModules(Node):
    """A node whose module runtime is down: every call is stopped from outside, as by the wall clock."""

    def _reader(self, pack, modules):
        def read_row(envelope):
            raise Unavailable("no sandbox is free", hint="try again", code="engine-busy")

        return read_row


@dataclass
class Broken:
    """A disk that works until it is told not to take anything any more."""

    is_full: bool = False

    def __call__(self, operation, path):
        if self.is_full:
            fail(errno.EROFS)(operation, path)


# --- the ledger is down -----------------------------------------------------------------------------------------------


def test_where_the_ledger_takes_nothing_all_that_was_decided_can_be_read(home):
    """Wrong if a node that cannot append answers as if it had, or cannot even be asked what it decided."""
    state = Broken()
    with Node.open(settings_of(home), disk=FaultyDisk(SystemDisk(), after=1, fault=state, stays=True)) as node:
        (first,) = node.decide(TENANT, PACK, rows(FATAL), legal_date=DAY)
        size = node.ledger(TENANT).size()
        state.is_full = True
        with pytest.raises(BailiwickError) as caught:
            list(node.decide(TENANT, PACK, rows(HOSPITAL), legal_date=DAY))
        assert caught.value.hint
        assert caught.value.message
        assert node.explain(TENANT, first.receipt.index).to_json()["impact"]["outcome"] == first.outcome
        assert node.replay(TENANT, [first.receipt.index]).to_json()["differing"] == []
        assert node.ledger(TENANT).size() == size
    with Node.open(settings_of(home)) as node:
        assert node.ledger(TENANT).verify().verdict.value == "ok"
        (again,) = node.decide(TENANT, PACK, rows(HOSPITAL), legal_date=DAY)
        assert isinstance(again, Decided)


# --- the module runtime is down ---------------------------------------------------------------------------------------


def test_an_input_that_cannot_wait_fails_at_once_and_leaves_nothing(home):
    """Wrong if a module that could not run counts as an outcome, or leaves a record."""
    with NodeWithoutModules.open(settings_of(home)) as node:
        answers = list(node.decide(TENANT, PACK, rows(FATAL), legal_date=DAY))
        assert [type(each) for each in answers] == [Refused]
        assert answers[0].error.code == "engine-busy"
        assert [each.event_type for each in node.ledger(TENANT).records()].count("decision.sealed") == 0
        assert node.waiting(TENANT) == []


def test_an_input_that_can_wait_is_decided_once_when_modules_run_again(home):
    """Wrong if what was acknowledged as waiting is lost, decided twice, or decided otherwise than at once."""
    with NodeWithoutModules.open(settings_of(home)) as node:
        answers = list(node.decide(TENANT, PACK, rows(FATAL, HOSPITAL), legal_date=DAY, may_wait=True))
        assert [type(each) for each in answers] == [Queued, Queued]
        assert [answer for _, answer in node.decide_waiting(TENANT) if not isinstance(answer, Refused)] == []
        assert len(node.waiting(TENANT)) == 2
    with Node.open(settings_of(home)) as node:
        came = [answer for _, answer in node.decide_waiting(TENANT)]
        at_once = list(node.decide(TENANT, PACK, rows(FATAL, HOSPITAL), legal_date=DAY))
        assert [each.outcome for each in came] == [each.outcome for each in at_once]
        assert node.waiting(TENANT) == []
        assert list(node.decide_waiting(TENANT)) == []
        queued = node.ledger(TENANT).read(answers[0].receipt.index)
        decided = node.ledger(TENANT).read(came[0].receipt.index)
        ended = node.ledger(TENANT).read(came[0].receipt.index + 1)
        assert queued.resource == decided.resource == ended.resource
        assert dict(ended.detail) == {"queued": queued.index, "came": "decided"}
        assert node.replay(TENANT).to_json()["differing"] == []


def test_an_input_that_waits_tells_the_ledger_nothing_of_what_it_holds(home):
    """Wrong if a queue is a way around the rule that no personal data stands in the ledger."""
    with NodeWithoutModules.open(settings_of(home)) as node:
        (answer,) = node.decide(TENANT, PACK, rows(FATAL), legal_date=DAY, may_wait=True)
        record = node.ledger(TENANT).read(answer.receipt.index)
    assert "221158942" not in record.raw.decode()
    assert set(record.detail) == {"input", "pack"}


def test_an_input_that_is_erased_while_it_waits_is_never_decided(home):
    """Wrong if erasing does not reach what waits, or what was erased waits for ever."""
    with NodeWithoutModules.open(settings_of(home)) as node:
        (answer,) = node.decide(TENANT, PACK, rows(FATAL), legal_date=DAY, may_wait=True)
        subject = node.ledger(TENANT).read(answer.receipt.index).resource
        (erasure,) = node.eraser(TENANT).erase([subject])
        assert erasure.blobs == 1
    with Node.open(settings_of(home)) as node:
        ((_, came),) = node.decide_waiting(TENANT)
        assert came.error.code == "blob-erased"
        assert node.waiting(TENANT) == []


def test_an_input_that_turns_out_to_be_wrong_waits_no_more(home):
    """Wrong if a row that no module accepts is tried for ever."""
    with NodeWithoutModules.open(settings_of(home)) as node:
        list(node.decide(TENANT, PACK, rows("x,y"), legal_date=DAY, may_wait=True))
    with Node.open(settings_of(home)) as node:
        ((waiting, came),) = node.decide_waiting(TENANT)
        assert isinstance(came, Refused)
        newest = node.ledger(TENANT).read(node.ledger(TENANT).size() - 1)
        assert newest.detail == {"queued": waiting.record, "came": "refused", "code": came.error.code}
        assert node.waiting(TENANT) == []


def test_a_record_of_an_input_that_waits_is_not_pruned(home):
    """Wrong if the only record of something that is owed goes with its age."""
    with NodeWithoutModules.open(settings_of(home)) as node:
        (answer,) = node.decide(TENANT, PACK, rows(FATAL), legal_date=DAY, may_wait=True)
        assert find_needs(node.ledger(TENANT), {}).waiting == {answer.receipt.index}


# --- the input is invalid ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (RawInput(media="json", body="{"), "json-truncated"),
        (RawInput(media="json", body="[1]"), "input-not-object"),
        (RawInput(media="json", body=json.dumps({"no_such_fact": 1})), "schema-violated"),
        (RawInput(media="csv", header=HEADER, body="x"), None),
    ],
)
def test_an_invalid_input_is_refused_and_nothing_else_happens(home, raw, code):
    """Wrong if garbage leaves anything behind, or is taken up by a queue."""
    with Node.open(settings_of(home)) as node:
        node.loop(TENANT, PACK)
        size = node.ledger(TENANT).size()
        (answer,) = node.decide(TENANT, PACK, [raw], legal_date=DAY, may_wait=True)
        assert isinstance(answer, Refused)
        assert answer.error.hint
        assert code is None or answer.error.code == code
        assert node.ledger(TENANT).size() == size
