"""Layers of the networks; each runs over whole sequences and over streams."""
