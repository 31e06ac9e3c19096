"""Sources of pictures, one module each, with one function from options to a Dataset."""
