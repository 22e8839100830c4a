"""How fast, against what; each file answers the question at its top. ``make bench`` runs them."""
