"""What this version answers to modules: log, clock, random, config, audit and calls of other modules.

Each service is one interface of ``contracts/wit``, and knows nothing of who may ask: that was checked before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bailiwick.ports import Clock, Entropy, HostService
from bailiwick.supervisor.services.audit import AuditLog, AuditRead, Readable
from bailiwick.supervisor.services.invoke import Invoke
from bailiwick.supervisor.services.small import ClockService, ConfigService, LogService, RandomService


def homeless_services(clock: Clock, entropy: Entropy) -> Mapping[str, HostService]:
    """Give the services that rest on nothing of a tenant, by interface."""
    services: list[HostService] = [ClockService(clock), ConfigService(), LogService(), RandomService(entropy)]
    return {service.name: service for service in services}


def standard_services(
    clock: Clock, entropy: Entropy, open_ledger: Callable[[str], Readable]
) -> Mapping[str, HostService]:
    """Give every service of this room, by interface."""
    services: list[HostService] = [AuditLog(), AuditRead(open_ledger), Invoke()]
    return {**{service.name: service for service in services}, **homeless_services(clock, entropy)}
