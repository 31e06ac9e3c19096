"""One HTML page about a trained network, made from the same records as figures, files and
TensorBoard.
"""
