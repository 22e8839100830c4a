"""A person is asked one question at a time, and only what still matters, until the pack can decide."""
