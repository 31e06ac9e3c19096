"""Timings that anyone can repeat: ``python -m benchmarks NAME``, one module a subject."""
