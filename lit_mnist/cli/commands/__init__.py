"""All commands with a line of help each, so that ``--help`` imports no heavy library.

Those of `TRAINING` go through LightningCLI (`lit_mnist.cli.training`). Each of `COMMANDS` is a
function in a module, both of the command's name.
"""

TRAINING = {
    "fit": "train a network from a configuration, test it once, write a run folder",
    "validate": "evaluate a trained network on its validation images",
    "test": "evaluate a trained network on the test images",
    "predict": "classify the test images, or image files with --images",
}

COMMANDS = {
    "summary": "print a network's layer table: shapes, parameters, operations, receptive fields",
    "runs": "list the training runs with their metrics",
    "convert": "convert a network: to PyTorch code, ONNX, a Keras file, ...",
    "parity": "give both frameworks the same weights and compare layers, gradients, rates and "
    "steps",
    "compare": "train both frameworks over several seeds and test whether they are equally "
    "accurate",
    "sweep": "train a configuration with many values of its settings, and compare the results",
    "features": "draw every map of a layer for chosen images, and the class probabilities",
    "filters": "draw the kernels of the convolutions",
    "clusters": "cluster the images of a data set; compare numbers of clusters",
    "kernels": "apply hand-made 3 x 3 filters and max-pooling to photographs; compare with learnt "
    "filters",
    "journey": "draw one map of every layer for several images, side by side",
    "top_images": "find the images that activate each map most, and the patch that the map saw",
    "mistakes": "draw every image that a network gets wrong, and the confusion matrix",
    "activation_stats": "measure every map over a data set, and find silent maps",
    "maximize": "make the images that maps or classes prefer, and measure their quality",
    "style": "redraw a picture in the style of another (style transfer)",
    "explain": "show which pixels decided (attribution maps), and judge each method",
    "card": "write a model card into a run folder: results by class, calibration, measured limits",
    "report": "write one HTML page about a trained network",
    "live": "write one HTML page in which a network runs: draw, and watch every layer",
}
