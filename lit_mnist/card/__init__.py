"""A model card in Markdown: measurements of a network on its test set and on other pictures."""
