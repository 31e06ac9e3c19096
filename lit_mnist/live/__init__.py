"""One HTML page in which a network runs live: draw or drop a picture, see what every layer makes of it."""
