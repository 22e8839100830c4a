"""The engine room: one call of one WebAssembly module, within a budget, with nothing granted.

``Engine.load`` admits a binary, ``Engine.run`` calls it in a sandbox that lives for that call, ``read_answer`` reads
what came out. The room records nothing and knows no module by name. Importing this door imports no engine.
"""

from bailiwick.engine.answer import INPUT_BYTES_MAX, OUTPUT_BYTES_MAX, Refusal, read_answer
from bailiwick.engine.binary import MODULE_BYTES_MAX
from bailiwick.engine.sandbox import Engine, Guest

__all__ = ["INPUT_BYTES_MAX", "MODULE_BYTES_MAX", "OUTPUT_BYTES_MAX", "Engine", "Guest", "Refusal", "read_answer"]
