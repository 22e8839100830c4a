"""Everything that touches the outside, a file each: ``<port>_<technology>.py``. Chosen in ``node`` only."""
