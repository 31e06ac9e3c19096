"""A model card: what a network does on its test set and on what it was not made for, measured, and told in Markdown."""
