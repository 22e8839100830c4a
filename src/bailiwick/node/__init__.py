"""The front hall: joins ports to adapters and rooms to rooms, starts and stops. No use case lives here.

with Node.open(Settings.resolve(environ=os.environ)) as node:
    for answer in node.decide("local", "us-osha-1904", inputs, legal_date="2020-09-25"):
        print(answer.to_json())

``parts`` chooses the adapters that a node holds. Each theme is a file with a small class over them, and ``Node`` is all
of the themes: a further one is a further file, and its name among the bases of ``Node``.
"""

from bailiwick.node.calling import trying
from bailiwick.node.doctor import Check
from bailiwick.node.home import InitReport
from bailiwick.node.installing import Comparison
from bailiwick.node.interviewing import Sitting
from bailiwick.node.node import Node
from bailiwick.node.packdesk import desk_decider, desk_files, desk_pack
from bailiwick.node.witnesses import Witnesses
from bailiwick.node.workshop import desk_engine, desk_runner, desk_services, toolchain_for

__all__ = [
    "Check",
    "Comparison",
    "InitReport",
    "Node",
    "Sitting",
    "Witnesses",
    "desk_decider",
    "desk_engine",
    "desk_files",
    "desk_pack",
    "desk_runner",
    "desk_services",
    "toolchain_for",
    "trying",
]
