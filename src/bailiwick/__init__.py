"""bailiwick: a kernel for decisions that must be provable."""

__version__ = "0.1.0"
