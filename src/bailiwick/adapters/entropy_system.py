"""The randomness of the machine's kernel."""

from __future__ import annotations

import os


class SystemEntropy:
    """See ``ports.Entropy``."""

    def take(self, count: int) -> bytes:
        """Give ``count`` random bytes, fit for keys."""
        return os.urandom(count)
