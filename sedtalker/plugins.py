"""One way to add a part: tables of ``name: "module:object"``, and entry points of other distributions.

What is imported late is named in a table and imported when it is used. Export formats, track formats, corpora of speech
and of meshes, protocols of live faces, and lights may also come from other distributions: an entry point in one of
``GROUPS`` is a row of the same kind, ``jaw = "your_package.jaw:FORMAT"``. Entry points are read when a part is asked
for, not at import.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any

from sedtalker.errors import InputError

PLUGINS: dict[str, str] = {
    "mesh files": "sedtalker.mesh.files",
    "face sources": "sedtalker.face.sources",
    "track files": "sedtalker.emotion.formats.files",
    "conversation files": "sedtalker.emotion.formats.conversation",
    "track plot": "sedtalker.emotion.plot",
    "export": "sedtalker.export.formats",
    "render": "sedtalker.render.video",
}
"""What a method asks for that is implemented in a package above its class, and the module that has it."""
GROUPS: dict[str, str] = {
    "sedtalker.export_formats": "an ExportFormat of sedtalker.export.formats",
    "sedtalker.track_formats": "a TrackFormat of sedtalker.emotion.formats",
    "sedtalker.corpora": "a SpeechCorpus of sedtalker.training.corpora.speech",
    "sedtalker.mesh_corpora": "a SequenceLayout of sedtalker.training.corpora.meshes",
    "sedtalker.live": "a LiveProtocol of sedtalker.live.senders",
    "sedtalker.lights": "a Lighting of sedtalker.render.light",
}
"""Groups of entry points, and what an object of each is."""


def plugin(name: str) -> ModuleType:
    """The module that implements ``name``, see ``PLUGINS``."""
    return import_module(PLUGINS[name])


def load(place: str) -> Any:
    """The object at ``module:object``; its module is imported."""
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)


@cache
def parts_of_others(group: str) -> Mapping[str, Any]:
    """The objects that other distributions add to one of ``GROUPS``, by name."""
    found = {}
    for point in sorted(entry_points(group=group), key=lambda point: (point.name, point.value)):
        try:
            found[point.name] = point.load()
        except Exception as error:
            owner = point.dist.name if point.dist else "another distribution"
            raise InputError(f"'{point.name}' of {owner} cannot be loaded from {point.value}: {error}") from None
    return found
