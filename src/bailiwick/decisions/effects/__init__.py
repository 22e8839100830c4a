"""What becomes of effects that a decision asked for: folded from records, told by people, declared in settings."""
