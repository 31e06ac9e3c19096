"""The inside of a trained network: activations by name, statistics, filters, top images. Nothing
here draws.
"""
