"""Studies: the same training over many settings and seeds, by one process or many; the only place that knows Optuna."""
