"""How well a pack is tried: its cases, and what they leave untouched."""
