"""Which addresses effects may go to, decided on the very address that is then connected to.

A name is resolved once, and the connection goes to an address that was looked at: a name that resolves to another
address a moment later changes nothing. Addresses that are not for the public internet (private, loopback, link-local,
multicast, reserved, and IPv6 forms that carry such an IPv4 address) are refused unless the settings name their network.

Sources: RFC 6890 (special-purpose addresses), RFC 4291 sections 2.4 and 2.5.5.2 (unicast, mapped), RFC 3056 (6to4),
RFC 6052 (64:ff9b).
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bailiwick.adapters.tls import Allowance
from bailiwick.errors import EffectDelayed, EffectRefused, UsageRefused

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve = Callable[[str, int], list[str]]
ADDRESSES_TRIED_MAX = 4
"""Addresses of one name that are tried, in number."""
_UNICAST = ipaddress.ip_network("2000::/3")
"""All that is given out for the public internet of IPv6; the library takes most of what was never given out for it."""
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")
_TRANSLATED_LOCAL = ipaddress.ip_network("64:ff9b:1::/48")


def system_addresses(host: str, port: int) -> list[str]:
    """Resolve a name by the system, and give its addresses in the order of preference.

    Raises:
        OSError: it cannot be resolved.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


def read_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Read the networks that settings allow, such as ``10.1.0.0/16``.

    Raises:
        UsageRefused: one is none (code ``effect-settings``).
    """
    try:
        return tuple(ipaddress.ip_network(text) for text in texts)
    except ValueError as error:
        raise UsageRefused(
            f"allow_networks holds what is no network: {error}",
            hint='write allow_networks = ["10.1.0.0/16", "127.0.0.1/32"] in node.toml',
            code="effect-settings",
        ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Connects to public addresses, and to those of some networks that the settings allow."""

    networks: tuple[Network, ...] = ()
    resolve: Resolve = system_addresses

    def connect(self, host: str, port: int, time: Allowance) -> socket.socket:
        """Connect to a host by an address that is allowed, and to no other, within a time for all of them together.

        How long a name is looked up, the system's resolver bounds.

        Raises:
            TimeoutError: the time was up.
            EffectRefused: it has no address that is allowed (code ``effect-address``).
            EffectDelayed: it has no address now, or nobody answers there.
        """
        try:
            found = self.resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise _unreachable(host, f"its name cannot be resolved: {error}") from error
        allowed = [each for each in found if self.is_allowed(each)]
        if found and not allowed:
            raise EffectRefused(
                f"{host} has the address {found[0]}, which is not for the public internet",
                hint='if effects may go there, name its network in node.toml: allow_networks = ["…"]',
                code="effect-address",
            )
        failure: OSError | None = None
        for address in allowed[:ADDRESSES_TRIED_MAX]:
            left = time.left()
            try:
                return socket.create_connection((address, port), timeout=left)
            except OSError as error:
                failure = error
        raise _unreachable(host, str(failure or "it has no address")) from failure

    def is_allowed(self, text: str) -> bool:
        """Say whether an address may be connected to; one that cannot be read may not.

        >>> [Reach().is_allowed(each) for each in ("93.184.216.34", "127.0.0.1", "::ffff:10.0.0.1", "fe80::1%eth0")]
        [True, False, False, False]
        """
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return False
        if any(each.version == address.version and address in each for each in self.networks):
            return True
        inner = _carried(address)
        if inner is not None:
            return self.is_allowed(str(inner))
        if isinstance(address, ipaddress.IPv6Address) and (address.scope_id or address not in _UNICAST):
            return False
        return address.is_global and not address.is_multicast


def _carried(address: Address) -> ipaddress.IPv4Address | None:
    """Give the IPv4 address that an IPv6 address stands for, or None."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in _TRANSLATED or address in _TRANSLATED_LOCAL:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]


def _unreachable(host: str, why: str) -> EffectDelayed:
    return EffectDelayed(
        f"{host} cannot be reached: {why[:300]}", hint="see whether the receiver runs; it is tried again by itself"
    )
