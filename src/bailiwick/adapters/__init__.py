"""Everything that touches the outside, one file a technology: ``<port>_<technology>.py``. Chosen in ``node.py`` only."""
