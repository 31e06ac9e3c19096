"""Records to figures: one function a picture, the only place that imports matplotlib (never pyplot)."""
