"""Where pictures come from, one module a source: each has one function from options to a Dataset."""
