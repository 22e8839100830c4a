"""On which terms a sink believes its receiver."""

from __future__ import annotations

import ssl

from bailiwick.adapters.tls import caller_terms
from bailiwick.errors import UsageRefused


def tls_context(ca_file: str | None) -> ssl.SSLContext:
    """Give the terms on which a receiver is believed; see ``tls.caller_terms``.

    Raises:
        UsageRefused: the file with certificates cannot be used (``sink-tls``).
    """
    try:
        return caller_terms(ca_file=ca_file)
    except OSError as error:
        raise UsageRefused(
            f"the certificates in {ca_file} cannot be read: {error}",
            hint='give a file of PEM certificates: ca_file = "..."',
            code="sink-tls",
        ) from error
