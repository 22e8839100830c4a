"""Facts and a date become a decision, with a trace of every rule."""
