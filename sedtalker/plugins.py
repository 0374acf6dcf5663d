"""Methods that are implemented in a module above the class they belong to.

``EmotionTrack.save`` needs the track formats, ``Animation.render`` the renderer; those modules in turn need the class.
As PIL does with its image formats, such a method names the module that implements it, and that module is imported when
the method is first called. All such places are listed here; nothing else is imported by name (a test).
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

PLUGINS: dict[str, str] = {
    "mesh files": "sedtalker.mesh.files",
    "face sources": "sedtalker.face.sources",
    "track files": "sedtalker.emotion.formats.files",
    "track plot": "sedtalker.emotion.plot",
    "export": "sedtalker.export.formats",
    "render": "sedtalker.render.video",
}
"""What a method asks for, and the module that has it."""


def plugin(name: str) -> ModuleType:
    """The module that implements ``name``, see ``PLUGINS``."""
    return import_module(PLUGINS[name])
