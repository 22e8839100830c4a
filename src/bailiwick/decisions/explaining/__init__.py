"""Why a decision came out as it did: read back from record and evidence, judged again clause by clause, and told."""
