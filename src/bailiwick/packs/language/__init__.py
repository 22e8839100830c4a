"""The words that rules are written in: expressions in CEL, their names and parts, and the days of the law."""
