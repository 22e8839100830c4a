"""What a pack is made of, and how its files become one: the nouns of law as code, read strictly or refused."""
