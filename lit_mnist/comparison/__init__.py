"""Two frameworks side by side: parity (same weights, same numbers) and equivalence (retrained, same accuracy).

Needs TensorFlow (extra ``keras``), which is imported inside functions and always after torch.
"""
