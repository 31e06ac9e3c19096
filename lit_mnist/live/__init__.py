"""The live page: one HTML file in which a network runs while the user draws."""
