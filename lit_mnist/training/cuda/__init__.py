"""What only a GPU needs: CUDA graphs of optimiser steps, and asynchronous copies."""
