"""Studies: one training over many settings and seeds, by one process or many. Only this package
uses Optuna.
"""
