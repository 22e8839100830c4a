"""The engine room: one call of one WebAssembly module, within a budget, with nothing granted but what a link answers.

``Engine.load`` admits a binary, ``Engine.run`` calls it in a sandbox that lives for that call, ``read_answer`` reads
what came out. A ``HostLink`` answers what the guest asks of the host, and the run's transcript has it. The room records
nothing and knows no module by name. Importing this door imports no engine.
"""

from bailiwick.engine.answer import INPUT_BYTES_MAX, OUTPUT_BYTES_MAX, Refusal, read_answer
from bailiwick.engine.binary import MODULE_BYTES_MAX
from bailiwick.engine.cache import CodeCache
from bailiwick.engine.compile import Compiler
from bailiwick.engine.compose import Part, Whole, alias_of, compose
from bailiwick.engine.host import HostLink, HostRefused, HostSession, NobodyAnswers, TranscriptHost
from bailiwick.engine.host import Stopped as HostStopped
from bailiwick.engine.loading import Artefact
from bailiwick.engine.nesting import COMPONENT_BYTES_MAX
from bailiwick.engine.profile import SAMPLES_DEFAULT, SAMPLES_MAX, FunctionCost, Profile, has_names, profile_call
from bailiwick.engine.sandbox import Engine, Guest
from bailiwick.engine.script import SHARES, Variant, read_script, variant_of
from bailiwick.engine.values import FunctionShape

__all__ = [
    "COMPONENT_BYTES_MAX",
    "INPUT_BYTES_MAX",
    "MODULE_BYTES_MAX",
    "OUTPUT_BYTES_MAX",
    "SAMPLES_DEFAULT",
    "SAMPLES_MAX",
    "SHARES",
    "Artefact",
    "CodeCache",
    "Compiler",
    "Engine",
    "FunctionCost",
    "FunctionShape",
    "Guest",
    "HostLink",
    "HostRefused",
    "HostSession",
    "HostStopped",
    "NobodyAnswers",
    "Part",
    "Profile",
    "Refusal",
    "TranscriptHost",
    "Variant",
    "Whole",
    "alias_of",
    "compose",
    "has_names",
    "profile_call",
    "read_answer",
    "read_script",
    "variant_of",
]
