"""Run folders: checkpoint files, opening a model, what a command starts from, resumption."""
