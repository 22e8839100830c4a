"""Splunk: requests as documented, and collectors that acknowledge late, never, or not at all."""

from __future__ import annotations

import json
import re

import pytest

from bailiwick.errors import SinkRefused, SinkUnavailable

ACCEPTED = (200, {}, b'{"text":"Success","code":0}')


def test_a_request_to_splunk_is_as_documented(receiver, make_events, http_sink):
    """Wrong if a real collector would refuse the batch, index it at another time, or lose what it is known by."""
    receiver.reply = lambda _: ACCEPTED
    events = make_events(2)
    sink = http_sink("splunk", receiver.url, index="audit")
    sink.deliver(events)
    (request,) = receiver.requests
    assert request.path == "/services/collector/event"
    assert request.headers["authorization"] == "Splunk for-tests"
    assert re.fullmatch(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}", request.headers["x-splunk-request-channel"])
    first = json.JSONDecoder().raw_decode(request.body.decode())[0]
    assert (first["host"], first["source"], first["index"]) == ("node-1", "bailiwick/0123456789abcdef", "audit")
    assert first["time"] == pytest.approx(1_600_000_000, abs=1)
    assert first["fields"] == {
        "bailiwick_key": events[0].key,
        "bailiwick_index": "1",
        "bailiwick_leaf": events[0].leaf,
    }


def test_an_indexer_is_asked_until_it_has_acknowledged(receiver, make_events, http_sink):
    """Wrong if the cursor moves on an answer of 200, which says only that the batch was received."""
    asked = []

    def reply(request):
        if request.path.endswith("/ack"):
            asked.append(json.loads(request.body))
            return 200, {}, json.dumps({"acks": {"4": len(asked) == 3}}).encode()
        return 200, {}, b'{"text":"Success","code":0,"ackId":4}'

    receiver.reply = reply
    waits: list[float] = []
    sink = http_sink("splunk", receiver.url, pause=waits.append)
    sink.deliver(make_events(1))
    assert asked == [{"acks": [4]}] * 3
    assert waits == [0.05, 0.1]
    assert len({request.headers["x-splunk-request-channel"] for request in receiver.requests}) == 1


def test_an_indexer_that_never_acknowledges_is_late(receiver, make_events, http_sink):
    """Wrong if a sink asks for ever, or takes silence for yes."""
    receiver.reply = lambda request: (
        (200, {}, b'{"acks":{"4":false}}')
        if request.path.endswith("/ack")
        else (200, {}, b'{"text":"Success","code":0,"ackId":4}')
    )
    sink = http_sink("splunk", receiver.url, ack_timeout_s=3)
    with pytest.raises(SinkUnavailable) as caught:
        sink.deliver(make_events(1))
    assert caught.value.code == "sink-timeout"
    assert len(receiver.requests) < 12


def test_a_collector_without_acknowledgement_is_refused_where_it_is_required(receiver, make_events, http_sink):
    """Wrong if somebody who relies on acknowledgement has none and is not told."""
    receiver.reply = lambda _: ACCEPTED
    sink = http_sink("splunk", receiver.url, is_ack_required=True)
    with pytest.raises(SinkUnavailable) as caught:
        sink.deliver(make_events(1))
    assert caught.value.code == "sink-denied"


@pytest.mark.parametrize(
    ("code", "raised"),
    [(6, SinkRefused), (12, SinkRefused), (15, SinkRefused), (7, SinkUnavailable), (10, SinkUnavailable)],
)
def test_splunk_says_whether_the_event_or_the_token_is_wrong(receiver, make_events, http_sink, code, raised):
    """Wrong if a wrong index in Splunk makes a node skip good records, or a bad event is sent for ever."""
    receiver.reply = lambda _: (400, {}, json.dumps({"text": "no", "code": code}).encode())
    sink = http_sink("splunk", receiver.url)
    with pytest.raises(raised):
        sink.deliver(make_events(1))


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"code":8}', b""])
def test_a_page_that_is_no_collector_confirms_nothing(receiver, make_events, http_sink, body):
    """Wrong if a proxy's friendly page counts as an indexer."""
    receiver.reply = lambda _: (200, {}, body)
    with pytest.raises(SinkUnavailable):
        http_sink("splunk", receiver.url).deliver(make_events(1))
