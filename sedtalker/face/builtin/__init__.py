"""The built-in heads: own quad topology, built by code from one small file of fitted numbers."""

from sedtalker.face.builtin.load import (
    CHARACTERS,
    DEFAULT,
    FACES,
    load_builtin,
    load_character,
    load_face,
    random_face,
)

__all__ = ["CHARACTERS", "DEFAULT", "FACES", "load_builtin", "load_character", "load_face", "random_face"]
