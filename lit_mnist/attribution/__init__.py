"""Which pixels made the network say 7, and whether the answer can be believed. Nothing here draws."""
