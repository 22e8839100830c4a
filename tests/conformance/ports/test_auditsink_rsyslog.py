"""A real syslog server takes what the sink sends: rsyslog with GnuTLS, where Debian's packages are installed."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from bailiwick.adapters.auditsink_syslog import SyslogAuditSink
from bailiwick.errors import SinkUnavailable

WAIT_S = 20
CONFIGURATION = """\
global(workDirectory="{folder}" maxMessageSize="512k"
  defaultNetstreamDriverCAFile="{certificate}"
  defaultNetstreamDriverCertFile="{certificate}"
  defaultNetstreamDriverKeyFile="{key}")
module(load="imtcp" streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="anon")
template(name="all" type="list" option.jsonf="on") {{
  property(outname="pri" name="pri" format="jsonf")
  property(outname="time" name="timestamp" dateFormat="rfc3339" format="jsonf")
  property(outname="host" name="hostname" format="jsonf")
  property(outname="app" name="app-name" format="jsonf")
  property(outname="id" name="msgid" format="jsonf")
  property(outname="data" name="structured-data" format="jsonf")
  property(outname="text" name="msg" format="jsonf")
}}
input(type="imtcp" address="127.0.0.1" port="{port}")
action(type="omfile" file="{folder}/received" template="all" flushOnTXEnd="on" asyncWriting="off")
"""


@pytest.fixture
def rsyslog(tmp_path, certificate):
    """Start rsyslog on this machine, and give its port and the file that it writes."""
    program = shutil.which("rsyslogd") or "/usr/sbin/rsyslogd"
    if not Path(program).exists() or not list(Path("/usr/lib").glob("*/rsyslog/lmnsd_gtls.so")):
        pytest.skip("rsyslog with TLS is not installed: apt-get install rsyslog rsyslog-gnutls")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = tmp_path / "rsyslog.conf"
    settings.write_text(
        CONFIGURATION.format(folder=tmp_path, certificate=certificate.certificate, key=certificate.key, port=port)
    )
    with (tmp_path / "said").open("wb") as said:
        process = subprocess.Popen(
            [program, "-n", "-f", settings, "-i", tmp_path / "pid"], stdout=said, stderr=subprocess.STDOUT
        )
    try:
        _await(lambda: _is_open(port), (tmp_path / "said").read_text)
        yield port, tmp_path / "received"
    finally:
        process.terminate()
        process.wait(WAIT_S)


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _await(is_true, said) -> None:
    """Wait until something is true of another process."""
    end = time.monotonic() + WAIT_S
    while not is_true():
        assert time.monotonic() < end, said()
        # Waits on a socket that nobody writes to: the other process needs the processor, too.
        left, right = socket.socketpair()
        with left, right:
            left.settimeout(0.02)
            with pytest.raises(TimeoutError):
                left.recv(1)


def test_rsyslog_receives_every_event_whole(rsyslog, certificate, make_events):
    """Wrong if a true server reads other frames, fields or text than were sent."""
    port, received = rsyslog
    events = make_events(250, text='quote " bracket ] and é')
    sink = SyslogAuditSink("127.0.0.1", port, ca_file=str(certificate.certificate), message_bytes_max=100_000)
    assert sink.deliver(events[:100]) == ""
    assert sink.deliver(events[100:]) == ""
    _await(lambda: received.exists() and received.read_bytes().count(b"\n") >= 250, lambda: "not all arrived")
    messages = [json.loads(line) for line in received.read_text().splitlines()]
    assert [json.loads(each["text"]) for each in messages] == [json.loads(event.body) for event in events]
    first = messages[0]
    assert (first["pri"], first["host"], first["app"], first["id"]) == ("110", "node-1", "bailiwick", "decision.sealed")
    assert re.match(r"2020-09-13T12:26:40\.000\d{3}", first["time"])
    assert f'key="{events[0].key}"' in first["data"]
    assert f'leaf="{events[0].leaf}"' in first["data"]


def test_rsyslog_is_not_trusted_without_its_authority(rsyslog, make_events):
    """Wrong if the sink sends records to a server that nobody vouches for."""
    port, received = rsyslog
    with pytest.raises(SinkUnavailable) as caught:
        SyslogAuditSink("127.0.0.1", port).deliver(make_events(1))
    assert caught.value.code == "sink-denied"
    assert not received.exists()
