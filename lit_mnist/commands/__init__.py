"""The commands that do not train: one module each, holding a function of the command's name.

`COMMANDS` is all that ``--help`` needs, so that it imports nothing heavy.
"""

COMMANDS = {
    "summary": "print a network's layer table: shapes, parameters, work, receptive fields",
    "runs": "list the training runs with their figures",
}
