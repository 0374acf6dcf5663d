"""The built-in heads: own quad topology, built by code from one small file of fitted numbers."""

from sedtalker.face.builtin.load import CHARACTERS, load_builtin, load_character, random_face

__all__ = ["CHARACTERS", "load_builtin", "load_character", "random_face"]
