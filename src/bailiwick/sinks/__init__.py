"""Where a ledger is sent: each sink has a durable cursor of its own, gets every record in order, at least once.

``Outflow`` is a tenant's sinks; nothing that decides or records ever waits for one of them.
"""

from bailiwick.sinks.declare import read_sinks
from bailiwick.sinks.ocsf import audit_event
from bailiwick.sinks.outflow import Outflow, SinkStatus
from bailiwick.sinks.pump import Pump, Step
from bailiwick.sinks.state import SinkState

__all__ = ["Outflow", "Pump", "SinkState", "SinkStatus", "Step", "audit_event", "read_sinks"]
