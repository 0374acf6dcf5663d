"""The built-in heads: own quad topology, built by code from one small file of fitted numbers."""

from sedtalker.face.builtin.characters import DEFAULT
from sedtalker.face.builtin.named import FACES, load_face, random_face

__all__ = ["DEFAULT", "FACES", "load_face", "random_face"]
