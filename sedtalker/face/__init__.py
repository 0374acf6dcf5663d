"""Faces: the built-in ones, meshes of the user's own that become faces, their blend shapes and their quality.

``Face.builtin("amara")``, ``Face.from_mesh("head.obj")`` and ``Face.load("head.sedface")`` give a face.
"""

from sedtalker.face.face import Face

__all__ = ["Face"]
