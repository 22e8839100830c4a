"""What holds for every test: generated examples are judged by what they show, never by how busy the machine is."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("bailiwick", deadline=None, print_blob=True)
settings.load_profile("bailiwick")
