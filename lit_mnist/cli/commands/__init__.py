"""All commands and a line on each: all that ``--help`` needs, so that it imports nothing heavy.

Those of `TRAINING` go through LightningCLI (`lit_mnist.cli.training`); each of `COMMANDS` is a function of the
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
    "runs": "list the training runs with their metrics",
    "convert": "write a network in another form: PyTorch code, ONNX, a Keras file, ...",
    "parity": "give both frameworks the same weights and compare layers, gradients, rates and steps",
    "compare": "train both frameworks over several seeds and test whether they are equally accurate",
    "sweep": "train a configuration with many values of its settings, and show what they do",
    "features": "draw every map of a layer for chosen images, and the soft-max bars",
    "filters": "draw the kernels of the convolutions",
    "clusters": "cluster a data set's images; time, inertia, silhouette and centres by number of clusters",
    "kernels": "a photograph through hand-made 3 x 3 filters and max-pooling, beside learnt ones",
    "journey": "draw one map of every layer for several images, side by side",
    "top_images": "find the images that activate each map most, and the patch that the map saw",
    "mistakes": "draw every image that a network gets wrong, and the confusion matrix",
    "activation_stats": "measure every map over a data set, and tell three kinds of silent map apart",
    "maximize": "make the images that maps or classes want most, with a quality card each",
    "style": "redraw one image in the style of another, by the network's own features",
    "explain": "which pixels made the network decide: attribution maps with their verdicts",
    "card": "write a model card into a run folder: results by class, calibration, limits, measured",
    "report": "write one HTML page about a trained network",
    "live": "write one HTML page in which a network runs: draw, and see what every layer makes of it",
}
