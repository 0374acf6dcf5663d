"""The built-in head: own quad topology, built by code from one small file of fitted numbers."""

from sedtalker.face.builtin.load import load_builtin

__all__ = ["load_builtin"]
