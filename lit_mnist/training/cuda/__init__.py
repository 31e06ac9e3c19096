"""What only a GPU needs: CUDA graphs of optimizer steps, and copies that nobody waits for."""
