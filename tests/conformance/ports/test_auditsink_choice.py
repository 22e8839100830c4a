"""Settings of sinks: each kind has its options and no others, and a secret comes from the environment alone."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from bailiwick.adapters.auditsink_choice import NEEDED, OPTIONS, open_sink
from bailiwick.errors import UsageRefused
from bailiwick.model import SinkSettings
from bailiwick.testing import MemoryClock, MemoryDisk, MemoryEntropy

URL = "https://127.0.0.1:8088"
ENOUGH = {
    "console": {},
    "file": {"folder": "archive"},
    "syslog": {"host": "logs.example.org"},
    "splunk": {"url": URL, "token_variable": "TOKEN"},
    "datadog": {"url": URL, "token_variable": "TOKEN"},
    "otlp": {"url": URL},
}


def opened(kind: str, options: dict, *, environ=None, disk=None, home=Path("/home")):
    """Build a sink by its settings."""
    return open_sink(
        SinkSettings(name="siem", kind=kind, tenant="local", options=options),
        home=home,
        disk=disk or MemoryDisk(),
        clock=MemoryClock(),
        entropy=MemoryEntropy(),
        environ={"TOKEN": "for-tests"} if environ is None else environ,
    )


@pytest.mark.parametrize("kind", OPTIONS)
def test_a_kind_opens_with_what_it_needs(kind):
    """Wrong if the page that describes a kind does not tell enough to use it."""
    with closing(opened(kind, ENOUGH[kind])) as sink:
        assert sink.records_max > 0


@pytest.mark.parametrize(("kind", "option"), [(kind, each) for kind, names in NEEDED.items() for each in names])
def test_a_kind_without_what_it_needs_is_refused(kind, option):
    """Wrong if a sink is made that can never send."""
    with pytest.raises(UsageRefused, match=option):
        opened(kind, {name: value for name, value in ENOUGH[kind].items() if name != option})


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("kafka", {}),
        ("splunk", {"token": "for-tests"}),
        ("splunk", {"require_ack": "yes"}),
        ("splunk", {"timeout_s": 0}),
        ("splunk", {"timeout_s": 601}),
        ("splunk", {"timeout_s": True}),
        ("splunk", {"ca_file": "none.pem"}),
        ("syslog", {"port": 65_536}),
        ("syslog", {"message_bytes_max": 2_047}),
        ("syslog", {"certificate_file": "none.pem"}),
        ("file", {"files_max": 0}),
        ("file", {"file_bytes_max": 100}),
        ("console", {"stream": "printer"}),
        ("otlp", {"url": "http://collector.example.org:4318"}),
    ],
)
def test_an_option_that_cannot_be_is_refused(kind, more):
    """Wrong if a typing error is found out when records are missing."""
    with pytest.raises(UsageRefused):
        opened(kind, {**ENOUGH.get(kind, {}), **more})


def test_a_secret_in_the_settings_is_refused_with_the_way_to_do_it():
    """Wrong if tokens end up in node.toml, in backups and in version control."""
    with pytest.raises(UsageRefused, match="token_variable") as caught:
        opened("splunk", {"url": URL, "token": "very-secret"})
    assert "very-secret" not in caught.value.message


@pytest.mark.parametrize(
    "environ", [{}, {"TOKEN": ""}, {"TOKEN": "two\nlines"}, {"TOKEN": "é"}, {"TOKEN": "x" * 4_097}]
)
def test_a_variable_that_holds_no_secret_is_named_and_not_shown(environ):
    """Wrong if a sink sends without a token, or a broken one is printed."""
    with pytest.raises(UsageRefused) as caught:
        opened("splunk", ENOUGH["splunk"], environ=environ)
    assert caught.value.code == "sink-secret"
    assert "TOKEN" in caught.value.message
    assert "lines" not in caught.value.message


def test_a_folder_is_below_the_home_where_it_is_not_absolute():
    """Wrong if events land wherever the program was started."""
    disk = MemoryDisk()
    with closing(opened("file", {"folder": "archive"}, disk=disk)) as sink:
        sink.deliver([])
    assert disk.names(Path("/home/archive")) == ["events.jsonl"]
