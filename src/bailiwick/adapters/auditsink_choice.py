"""Builds the sink that a declaration asks for: each kind, the options that it has, and the secrets that it needs.

Secrets are read from the environment variables that the options name, and from nowhere else.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bailiwick.adapters.auditsink_console import ConsoleAuditSink
from bailiwick.adapters.auditsink_file import FileAuditSink
from bailiwick.errors import UsageRefused
from bailiwick.model import SinkSettings
from bailiwick.ports import AuditSink, Clock, Disk, Entropy

URL = {"url": str, "ca_file": str, "timeout_s": int}
OPTIONS: dict[str, dict[str, type]] = {
    "console": {"stream": str},
    "file": {"folder": str, "file_bytes_max": int, "files_max": int},
    "syslog": {
        "host": str,
        "port": int,
        "ca_file": str,
        "certificate_file": str,
        "key_file": str,
        "message_bytes_max": int,
        "enterprise": int,
        "timeout_s": int,
    },
    "splunk": {**URL, "token_variable": str, "index": str, "require_ack": bool, "ack_timeout_s": int},
    "datadog": {**URL, "token_variable": str, "service": str},
    "otlp": {**URL, "token_variable": str, "token_header": str},
}
NEEDED = {
    "console": (),
    "file": ("folder",),
    "syslog": ("host",),
    "splunk": ("url", "token_variable"),
    "datadog": ("url", "token_variable"),
    "otlp": ("url",),
}
BOUNDS = {
    "timeout_s": (1, 600),
    "ack_timeout_s": (1, 600),
    "port": (1, 65_535),
    "message_bytes_max": (2_048, 1 << 20),
    "enterprise": (1, 2**32 - 1),
    "file_bytes_max": (1 << 16, 1 << 40),
    "files_max": (1, 10_000),
}
"""What a whole number may be, least and most."""
SECRET_CHARACTERS_MAX = 4_096


def open_sink(
    settings: SinkSettings, *, home: Path, disk: Disk, clock: Clock, entropy: Entropy, environ: Mapping[str, str]
) -> AuditSink:
    """Build a sink; nothing is connected yet.

    Args:
        settings: As ``node.toml`` declares it.
        home: Relative folders and files are below it.
        disk: For sinks that write files.
        clock: For receivers that name a time to wait for.
        entropy: For channels.
        environ: Holds the secrets.

    Raises:
        UsageRefused: no such kind, an option that the kind does not have, lacks or cannot use (``sink-settings``), or a
            variable without a secret (``sink-secret``).
    """
    options = _checked(settings)
    if settings.kind == "console":
        return ConsoleAuditSink(sys.stdout.buffer if options.get("stream") == "stdout" else sys.stderr.buffer)
    if settings.kind == "file":
        folder = home / Path(options.pop("folder")).expanduser()
        return FileAuditSink(folder, disk, **options)
    for name in ("ca_file", "certificate_file", "key_file"):
        if name in options:
            options[name] = str(home / Path(options[name]).expanduser())
    if settings.kind == "syslog":
        from bailiwick.adapters.auditsink_syslog import SyslogAuditSink

        return SyslogAuditSink(options.pop("host"), **options)
    return _over_http(settings, options, clock=clock, entropy=entropy, environ=environ)


def _over_http(
    settings: SinkSettings, options: dict[str, Any], *, clock: Clock, entropy: Entropy, environ: Mapping[str, str]
) -> AuditSink:
    from bailiwick.adapters.auditsink_http import HttpPoster

    secret = _secret(settings, options.pop("token_variable", None), environ)
    poster = HttpPoster(options.pop("url"), clock=clock, **_taken(options, "ca_file", "timeout_s"))
    if settings.kind == "splunk":
        from bailiwick.adapters.auditsink_splunk import SplunkAuditSink

        is_ack_required = options.pop("require_ack", False)
        pause = threading.Event().wait
        return SplunkAuditSink(poster, secret, entropy=entropy, pause=pause, is_ack_required=is_ack_required, **options)
    if settings.kind == "datadog":
        from bailiwick.adapters.auditsink_datadog import DatadogAuditSink

        return DatadogAuditSink(poster, secret, **options)
    from bailiwick.adapters.auditsink_otlp import OtlpAuditSink

    header = options.get("token_header", "Authorization")
    return OtlpAuditSink(poster, headers={header: secret} if secret else {})


def _checked(settings: SinkSettings) -> dict[str, Any]:
    """Give the options, each one that the kind has and of its type."""
    known = OPTIONS.get(settings.kind)
    if known is None:
        raise _refused(settings, f"is of the kind {settings.kind[:40]!r}; there are: {', '.join(OPTIONS)}")
    if missing := [name for name in NEEDED[settings.kind] if settings.options.get(name) in (None, "")]:
        raise _refused(settings, f"of kind {settings.kind} lacks {missing[0]}")
    for name, value in settings.options.items():
        if name not in known:
            why = "; a secret is named by a variable: token_variable" if "token" in name or "key" in name else ""
            raise _refused(settings, f"of kind {settings.kind} has no option {name}{why}")
        if type(value) is not known[name]:
            raise _refused(settings, f"has {name} = {value!r}, which is not of type {known[name].__name__}")
        least, most = BOUNDS.get(name, (0, 0))
        if name in BOUNDS and not least <= int(value) <= most:
            raise _refused(settings, f"has {name} = {value}; it is from {least} to {most}")
    if settings.options.get("stream", "stderr") not in ("stderr", "stdout"):
        raise _refused(settings, "has a stream that is neither stderr nor stdout")
    return dict(settings.options)


def _secret(settings: SinkSettings, variable: str | None, environ: Mapping[str, str]) -> str:
    """Read a secret from the environment; none is asked for where no variable is named."""
    if variable is None:
        return ""
    secret = environ.get(variable, "")
    if not secret or len(secret) > SECRET_CHARACTERS_MAX or not secret.isascii() or not secret.isprintable():
        found = "holds nothing" if not secret else "holds what cannot be a secret"
        raise UsageRefused(
            f"sink {settings.name} takes its secret from the environment variable {variable[:80]}, which {found}",
            hint=f"set it where bailiwick runs: export {variable[:80]}=...",
            code="sink-secret",
        )
    return secret


def _taken(options: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: options.pop(name) for name in names if name in options}


def _refused(settings: SinkSettings, why: str) -> UsageRefused:
    return UsageRefused(
        f"sink {settings.name} {why}", hint=f"mend [sinks.{settings.name}] in node.toml", code="sink-settings"
    )
