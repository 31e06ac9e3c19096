"""A network in forms that need no lit_mnist: PyTorch code, ONNX, torch.export, safetensors."""
