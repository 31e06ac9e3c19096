"""Two frameworks compared: parity (same weights) and equivalence (retrained).

Needs TensorFlow (extra ``keras``), which is imported inside functions and always after torch.
"""
