"""An answer of the host to a guest that may not have what it asked for."""

from bailiwick.engine.host import HostRefused

__all__ = ["HostRefused"]
