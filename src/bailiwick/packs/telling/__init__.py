"""What a pack says of a decision, for whoever explains: its words, its sources, its clauses judged again."""
