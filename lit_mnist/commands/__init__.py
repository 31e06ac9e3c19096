"""All commands and a line on each: all that ``--help`` needs, so that it imports nothing heavy.

Those of `TRAINING` go through LightningCLI (`lit_mnist.cli`); each of `COMMANDS` is a function of the
command's name in a module of the command's name.
"""

TRAINING = {
    "fit": "train a network from a configuration, test it once, write a run folder",
    "validate": "evaluate a trained network on its validation images",
    "test": "evaluate a trained network on the test images",
    "predict": "classify the test images, or image files with --images",
}

COMMANDS = {
    "summary": "print a network's layer table: shapes, parameters, work, receptive fields",
    "runs": "list the training runs with their figures",
}
