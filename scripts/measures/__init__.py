"""Measurements of what the pages claim, which users of the package do not need; ``scripts/measure.py`` runs them."""
