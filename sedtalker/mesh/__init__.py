"""Polygon meshes: files in and out, surfaces to work on, and pictures of their geometry.

``Mesh.load("head.obj")`` gives a mesh, ``mesh.save("head.ply")`` writes it.
"""

from sedtalker.mesh.mesh import Mesh, Scene

__all__ = ["Mesh", "Scene"]
