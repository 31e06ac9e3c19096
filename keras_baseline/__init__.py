"""The same networks, data and recipes in Keras, as the baseline of `lit_mnist`.

Reads the same YAML, the same NetworkSpec, the same bytes, permutations and initial weights as
`lit_mnist`, and leaves optimiser, schedule, regularisers, loss and training loop to Keras. Imports
no torch.
"""
