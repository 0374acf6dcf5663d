"""Fitting of the built-in head's cage to a blend of reference identities (used by ``fit_builtin_face.py``)."""
