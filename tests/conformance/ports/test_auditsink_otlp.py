"""What is sent over OTLP is read by OpenTelemetry's own message classes, and their answers are understood.

Its authors generate these classes from the specification's `.proto` files. They refuse names that they do not know and
values of another type, as a collector does.
"""

from __future__ import annotations

import json
from contextlib import closing

import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, SeverityNumber

from bailiwick.adapters.auditsink_http import HttpPoster
from bailiwick.adapters.auditsink_otlp import OtlpAuditSink, request_bytes
from bailiwick.canonical import time_ns
from bailiwick.errors import SinkRefused
from bailiwick.testing import MemoryClock


def read(body: bytes) -> ExportLogsServiceRequest:
    """Read a request as a collector does, strictly, and take it through the binary encoding too."""
    found = json_format.Parse(body, ExportLogsServiceRequest())
    return ExportLogsServiceRequest.FromString(found.SerializeToString())


def attributes(of) -> dict:
    """Give attributes as plain values, by the one kind of value that each has."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in of.attributes}


def entries(request: ExportLogsServiceRequest) -> list[LogRecord]:
    """Give the log records of a request."""
    return [entry for each in request.resource_logs for scope in each.scope_logs for entry in scope.log_records]


@pytest.fixture
def collector(receiver):
    """Give a receiver that reads with those classes, keeps what it read, and answers with them."""
    seen: list[ExportLogsServiceRequest] = []
    answer = ExportLogsServiceResponse()

    def reply(request):
        try:
            seen.append(read(request.body))
        except json_format.ParseError as error:
            return 400, {}, str(error).encode()
        return 200, {"Content-Type": "application/json"}, json_format.MessageToJson(answer).encode()

    receiver.reply = reply
    return receiver, seen, answer


@pytest.fixture
def sink(collector):
    """Give a sink that sends to it."""
    with closing(OtlpAuditSink(HttpPoster(collector[0].url, clock=MemoryClock()))) as made:
        yield made


def test_a_collector_reads_every_record_with_its_time_severity_and_key(collector, sink, make_events):
    """Wrong if OpenTelemetry's own reader refused a request, or read another time, number or text."""
    events = [*make_events(3, text='quote " and \\ and é and \u2028'), *make_events(1, "panic.set")]
    assert sink.deliver(events) == ""
    (request,) = collector[1]
    (resource,) = request.resource_logs
    assert attributes(resource.resource) == {"service.name": "bailiwick", "bailiwick.tenant": "local"}
    found = entries(request)
    assert [entry.body.string_value.encode() for entry in found] == [event.body for event in events]
    for entry, event in zip(found, events, strict=True):
        at_ns = time_ns(event.record.timestamp)
        assert (entry.time_unix_nano, entry.observed_time_unix_nano) == (at_ns, at_ns)
        assert entry.event_name == event.record.event_type
        assert attributes(entry) == {
            "bailiwick.key": event.key,
            "bailiwick.origin": event.origin,
            "bailiwick.index": event.record.index,
            "bailiwick.leaf": event.leaf,
            "bailiwick.node": event.record.node_id,
        }
    severities = [SeverityNumber.Name(entry.severity_number) for entry in found]
    assert severities == ["SEVERITY_NUMBER_INFO"] * 3 + ["SEVERITY_NUMBER_WARN"]


def test_the_answers_of_a_collector_are_understood(collector, sink, make_events):
    """Wrong if what it rejected counted as delivered, or its warning were not heard; 64-bit numbers are text."""
    answer = collector[2]
    answer.partial_success.error_message = "move to another port"
    assert sink.deliver(make_events(1)) == "move to another port"
    answer.partial_success.rejected_log_records = 2
    with pytest.raises(SinkRefused, match="rejected 2 log records"):
        sink.deliver(make_events(2))


@pytest.mark.parametrize(
    ("name", "value"), [("timeUnixNano", "soon"), ("severityNumber", {"is": 9}), ("eventname", "x")]
)
def test_the_reader_tells_a_request_that_is_not_one(make_events, name, value):
    """Wrong if the reader took anything: then the tests above would prove nothing."""
    request = json.loads(request_bytes(make_events(1)))
    request["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0][name] = value
    with pytest.raises(json_format.ParseError):
        read(json.dumps(request).encode())
