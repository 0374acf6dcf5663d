"""Fitting of the built-in head (``fit_builtin_face.py``): its cage, and the parts that are the same in all heads."""
