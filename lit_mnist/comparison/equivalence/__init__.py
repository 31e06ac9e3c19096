"""Equivalence: retrained from several seeds, both frameworks are equally accurate."""
