"""The command line: parsing, the training commands, messages; `commands/` holds the other commands, one a module."""
