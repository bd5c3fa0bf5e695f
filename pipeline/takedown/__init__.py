"""``sur takedown``: find everything that was made from a sample, remove it, and prove that nothing is left."""
