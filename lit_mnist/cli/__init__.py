"""The command line: parsing, messages, the training commands; `commands/` has a module for each
other one.
"""
