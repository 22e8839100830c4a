"""Every sink: events arrive whole and in order, each under its key; a rude receiver costs time only."""

from __future__ import annotations

import gzip
import io
import json
import re
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from hashlib import sha256

import pytest

from bailiwick.adapters.auditsink_console import ConsoleAuditSink
from bailiwick.adapters.auditsink_file import FileAuditSink
from bailiwick.adapters.auditsink_http import ANSWER_BYTES_MAX, HttpPoster
from bailiwick.adapters.auditsink_memory import MemoryAuditSink
from bailiwick.adapters.auditsink_otlp import OtlpAuditSink
from bailiwick.adapters.auditsink_syslog import SyslogAuditSink
from bailiwick.adapters.disk_memory import MemoryDisk
from bailiwick.adapters.disk_system import SystemDisk
from bailiwick.errors import SinkRefused, SinkUnavailable, UsageRefused
from bailiwick.ports import AuditSink
from bailiwick.testing import MemoryClock

from .syslog import body_of, frames, read_to_end

KINDS = ["memory", "console", "file", "file-in-memory", "syslog", "splunk", "datadog", "otlp"]
HTTP = ["splunk", "datadog", "otlp"]
SHORT_S = 0.3
LATE_S = 5
"""What is cut after SHORT_S has ended long before this, on a machine that is busy too."""


@dataclass
class Side:
    """A sink, and what arrived at its receiver: the OCSF events, as they came."""

    sink: AuditSink
    arrived: Callable[[], list[dict]]


def accepting(kind: str):
    """Give the answer of a receiver that takes everything."""
    answers = {
        "splunk": (200, {}, b'{"text":"Success","code":0}'),
        "datadog": (202, {}, b"{}"),
        "otlp": (200, {}, b'{"partialSuccess":{}}'),
    }
    return answers[kind]


def events_in(kind: str, body: bytes) -> list[dict]:
    """Take the OCSF events out of a request of one kind."""
    if kind == "datadog":
        return [entry["ocsf"] for entry in json.loads(gzip.decompress(body))]
    if kind == "otlp":
        (resource,) = json.loads(body)["resourceLogs"]
        return [json.loads(each["body"]["stringValue"]) for each in resource["scopeLogs"][0]["logRecords"]]
    decoder, found, text = json.JSONDecoder(), [], body.decode()
    while text:
        envelope, end = decoder.raw_decode(text)
        found.append(envelope["event"])
        text = text[end:]
    return found


@pytest.fixture(params=KINDS)
def side(request, tmp_path, receiver, serve, certificate, http_sink) -> Side:
    """Give each sink in turn, with a receiver that takes everything."""
    kind = request.param
    if kind == "memory":
        sink = MemoryAuditSink()
        return Side(sink, lambda: [json.loads(body) for body in sink.bodies()])
    if kind == "console":
        stream = io.BytesIO()
        return Side(ConsoleAuditSink(stream), lambda: [json.loads(line) for line in stream.getvalue().splitlines()])
    if kind.startswith("file"):
        disk = SystemDisk() if kind == "file" else MemoryDisk()
        path = tmp_path / "archive" / "events.jsonl"
        return Side(
            FileAuditSink(path.parent, disk), lambda: [json.loads(line) for line in disk.read(path).splitlines()]
        )
    if kind == "syslog":
        seen: list[dict] = []

        def talk(session):
            seen.extend(body_of(frame) for frame in frames(read_to_end(session)))

        server = serve(talk, tls=True)
        sink = SyslogAuditSink("127.0.0.1", server.port, ca_file=certificate.certificate, message_bytes_max=1 << 20)
        return Side(sink, lambda: [server.talk(), seen][1])
    receiver.reply = lambda _: accepting(kind)
    sink = http_sink(kind, receiver.url)
    return Side(sink, lambda: [event for each in receiver.requests for event in events_in(kind, each.body)])


def test_events_arrive_whole_and_in_order(side: Side, make_events):
    """Wrong if a receiver gets another order, other bytes, or an event by which no proof can be asked for."""
    events = make_events(5, text='quote " and \\ and é')
    assert side.sink.deliver(events) == ""
    arrived = side.arrived()
    assert arrived == [json.loads(event.body) for event in events]
    assert [each["metadata"]["uid"] for each in arrived] == [event.key for event in events]
    for each in arrived:
        raw = each["raw_data"].encode()
        assert sha256(b"\x00" + raw).hexdigest() == each["unmapped"]["leaf"]
        assert json.loads(raw)["entry_id"] == each["unmapped"]["index"]


def test_the_largest_record_arrives_whole(side: Side, make_events):
    """Wrong if one large record stops a sink for ever: it may be larger than a whole batch should be."""
    (event,) = make_events(1, text="\\" * 30_000)
    side.sink.deliver([event])
    assert side.arrived() == [json.loads(event.body)]


def test_a_sink_says_how_much_it_takes_at_once(side: Side):
    """Wrong if the pump cannot know how large a batch may be."""
    assert 1 <= side.sink.records_max <= 1_000
    assert 1 << 16 <= side.sink.bytes_max <= 4_000_000


@pytest.mark.parametrize("kind", HTTP)
@pytest.mark.parametrize(
    ("status", "headers", "raised", "code", "retry_after_s"),
    [
        (413, {}, SinkRefused, "sink-refused", None),
        (422, {}, SinkRefused, "sink-refused", None),
        (429, {"Retry-After": "7"}, SinkUnavailable, "sink-busy", 7),
        (503, {"Retry-After": "Sun, 13 Sep 2020 12:28:40 GMT"}, SinkUnavailable, "sink-busy", 120),
        (503, {"Retry-After": "soon"}, SinkUnavailable, "sink-busy", None),
        (500, {}, SinkUnavailable, "sink-busy", None),
        (401, {}, SinkUnavailable, "sink-denied", None),
        (404, {}, SinkUnavailable, "sink-denied", None),
        (302, {"Location": "http://127.0.0.1:1/"}, SinkUnavailable, "sink-denied", None),
        (204, {}, SinkUnavailable, "sink-answer", None),
    ],
)
def test_an_answer_means_later_or_never_by_its_status(
    receiver, make_events, http_sink, kind, status, headers, raised, code, retry_after_s
):
    """Wrong if records are lost as delivered, resent without pause, or a redirect carries the token elsewhere."""
    receiver.reply = lambda _: (status, headers, b"")
    sink = http_sink(kind, receiver.url)
    with pytest.raises(raised) as caught:
        sink.deliver(make_events(1))
    assert caught.value.code == code
    assert getattr(caught.value, "retry_after_s", None) == retry_after_s
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("kind", HTTP)
def test_a_receiver_that_is_down_is_unreachable(serve, make_events, http_sink, kind):
    """Wrong if nobody is there and the sink says anything but that it will try again."""
    server = serve(lambda _: None)
    server.close()
    with pytest.raises(SinkUnavailable) as caught:
        http_sink(kind, f"http://127.0.0.1:{server.port}").deliver(make_events(1))
    assert caught.value.code == "sink-unreachable"


def drip(connection) -> None:
    """Answer a byte at a time, for ever: each read of the other side is quick, the whole never ends."""
    with suppress(OSError):
        connection.recv(65_536)
        connection.settimeout(0.05)
        connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while True:
            connection.sendall(b".")
            with suppress(TimeoutError):
                connection.recv(65_536)


@pytest.mark.parametrize("kind", HTTP)
@pytest.mark.parametrize("talk", [read_to_end, drip], ids=["never answers", "drips"])
def test_a_receiver_that_never_answers_costs_a_bounded_time(serve, make_events, http_sink, kind, talk):
    """Wrong if a silent or dripping receiver holds a sink for ever."""
    sink = http_sink(kind, f"http://127.0.0.1:{serve(talk).port}", timeout_s=SHORT_S)
    before = time.monotonic()
    with pytest.raises(SinkUnavailable) as caught:
        sink.deliver(make_events(1))
    assert caught.value.code == "sink-timeout"
    assert time.monotonic() - before < LATE_S


@pytest.mark.parametrize("kind", HTTP)
@pytest.mark.parametrize(
    "said",
    [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{", b"HTTP/1.1 2", b"220 smtp.example ESMTP\r\n"],
    ids=["nothing", "half a body", "half a head", "another protocol"],
)
def test_a_connection_that_is_cut_confirms_nothing(serve, make_events, http_sink, kind, said):
    """Wrong if half an answer counts as a whole one: the cursor would pass records that nobody has."""

    def talk(connection):
        connection.recv(65_536)
        connection.sendall(said)

    with pytest.raises(SinkUnavailable):
        http_sink(kind, f"http://127.0.0.1:{serve(talk).port}").deliver(make_events(1))


@pytest.mark.parametrize("kind", HTTP)
def test_an_answer_without_end_is_refused(receiver, make_events, http_sink, kind):
    """Wrong if a receiver can fill this node's memory."""
    receiver.reply = lambda _: (200, {}, b"x" * (ANSWER_BYTES_MAX + 1))
    with pytest.raises(SinkUnavailable) as caught:
        http_sink(kind, receiver.url).deliver(make_events(1))
    assert caught.value.code == "sink-answer"


@pytest.mark.parametrize("kind", HTTP)
def test_a_kept_connection_that_was_closed_is_opened_again(receiver, make_events, http_sink, kind):
    """Wrong if every pause in the ledger costs a failed attempt and a wait."""
    receiver.reply = lambda _: (*accepting(kind)[:1], {"Connection": "keep-alive"}, accepting(kind)[2])
    sink = http_sink(kind, receiver.url)
    sink.deliver(make_events(1))
    answers = iter([None, accepting(kind)])
    receiver.reply = lambda _: next(answers)
    sink.deliver(make_events(1))
    assert len(receiver.requests) == 3


@pytest.mark.parametrize("kind", HTTP)
def test_only_a_receiver_with_a_trusted_certificate_gets_records(
    tls_receiver, certificate, make_events, http_sink, kind
):
    """Wrong if anybody between the node and its receiver can take records and token."""
    tls_receiver.reply = lambda _: accepting(kind)
    with pytest.raises(SinkUnavailable) as caught:
        http_sink(kind, tls_receiver.url).deliver(make_events(1))
    assert caught.value.code == "sink-denied"
    assert tls_receiver.requests == []
    sink = http_sink(kind, tls_receiver.url, ca_file=str(certificate.certificate))
    sink.deliver(make_events(1))
    assert len(tls_receiver.requests) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://hec.example.org:8088",
        "ftp://127.0.0.1",
        "https://user:secret@hec.example.org",
        "https://hec.example.org/?token=secret",
        "https://",
        "https://hec.example.org:port",
        "",
    ],
)
def test_a_url_that_would_leak_or_lead_nowhere_is_refused(url):
    """Wrong if a token crosses a network in the clear, or stands in a URL that gets printed."""
    with pytest.raises(UsageRefused) as caught:
        HttpPoster(url, clock=MemoryClock())
    assert caught.value.code == "sink-url"
    assert "secret" not in caught.value.message


def test_a_request_to_datadog_is_as_documented(receiver, make_events, http_sink):
    """Wrong if the intake would refuse it, or take OCSF's words for its own."""
    receiver.reply = lambda _: accepting("datadog")
    events = make_events(1, "panic.set")
    sink = http_sink("datadog", receiver.url)
    sink.deliver(events)
    (request,) = receiver.requests
    assert request.path == "/api/v2/logs"
    assert request.headers["dd-api-key"] == "for-tests"
    assert (request.headers["content-encoding"], request.headers["content-type"]) == ("gzip", "application/json")
    (entry,) = json.loads(gzip.decompress(request.body))
    assert entry.pop("ocsf") == json.loads(events[0].body)
    assert entry == {
        "ddsource": "bailiwick",
        "ddtags": "tenant:local",
        "service": "bailiwick",
        "hostname": "node-1",
        "message": "panic.set pack/us-osha-1904",
        "status": "warning",
        "timestamp": events[0].record.timestamp,
        "bailiwick": {"key": events[0].key, "origin": events[0].origin, "index": 1, "leaf": events[0].leaf},
    }


def test_the_largest_batch_fits_into_one_request_to_datadog(receiver, make_events, http_sink):
    """Wrong if the limits of a batch let a request grow beyond the 5 MB that the intake takes."""
    receiver.reply = lambda _: accepting("datadog")
    sink = http_sink("datadog", receiver.url)
    events, left = [], sink.bytes_max
    for event in make_events(sink.records_max, text="x" * 1_200):
        left -= len(event.body)
        events += [event] if left >= 0 else []
    sink.deliver(events)
    assert len(gzip.decompress(receiver.requests[0].body)) <= 5_000_000


def test_a_request_over_otlp_is_as_specified(receiver, make_events):
    """Wrong if a collector would not read it: 64-bit integers as text, enumerations as numbers, lowerCamelCase."""
    receiver.reply = lambda _: accepting("otlp")
    events = make_events(1)
    poster = HttpPoster(receiver.url, clock=MemoryClock())
    with closing(OtlpAuditSink(poster, headers={"Authorization": "Bearer for-tests"})) as sink:
        sink.deliver(events)
    (request,) = receiver.requests
    assert request.path == "/v1/logs"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["authorization"] == "Bearer for-tests"
    (resource,) = json.loads(request.body)["resourceLogs"]
    (entry,) = resource["scopeLogs"][0]["logRecords"]
    assert {"key": "bailiwick.tenant", "value": {"stringValue": "local"}} in resource["resource"]["attributes"]
    assert re.fullmatch(r"16000000000000\d{5}", entry["timeUnixNano"])
    assert (entry["severityNumber"], entry["severityText"], entry["eventName"]) == (9, "INFO", "decision.sealed")
    assert {"key": "bailiwick.index", "value": {"intValue": "1"}} in entry["attributes"]
    assert {"key": "bailiwick.leaf", "value": {"stringValue": events[0].leaf}} in entry["attributes"]


@pytest.mark.parametrize("rejected", ["1", 1, "3"])
def test_a_partial_success_is_no_success(receiver, make_events, http_sink, rejected):
    """Wrong if rejected log records count as delivered: they would be lost."""
    answer = {"partialSuccess": {"rejectedLogRecords": rejected, "errorMessage": "too old"}}
    receiver.reply = lambda _: (200, {}, json.dumps(answer).encode())
    with pytest.raises(SinkRefused, match="too old"):
        http_sink("otlp", receiver.url).deliver(make_events(3))


def test_a_warning_of_the_receiver_is_handed_on(receiver, make_events, http_sink):
    """Wrong if a receiver that accepts and warns is not heard."""
    answer = {"partialSuccess": {"rejectedLogRecords": "0", "errorMessage": "move to port 4319"}}
    receiver.reply = lambda _: (200, {}, json.dumps(answer).encode())
    assert http_sink("otlp", receiver.url).deliver(make_events(1)) == "move to port 4319"


def test_a_closed_console_confirms_nothing(make_events):
    """Wrong if events are printed to nobody and count as delivered."""
    stream = io.BytesIO()
    stream.close()
    with pytest.raises(SinkUnavailable) as caught:
        ConsoleAuditSink(stream).deliver(make_events(1))
    assert caught.value.code == "sink-unwritable"
