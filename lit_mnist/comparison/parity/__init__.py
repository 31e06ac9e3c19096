"""Parity: with the same weights, both frameworks give the same numbers."""
