"""Documents become the parts of a pack, theme by theme, each checked against what the pack declares."""
