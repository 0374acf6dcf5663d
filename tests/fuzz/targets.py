"""Every reader of the product.

A target reads bytes as the product would, from a file in the working folder where the product reads files, and then
uses what it got as the commands do. It returns (accepted), raises ``InputError`` (refused), or has found a fault.
"""

from __future__ import annotations

from tests.fuzz import archives, meshes, network, options, projects, speech, training

TARGETS = (
    *speech.TARGETS,
    *meshes.TARGETS,
    *archives.TARGETS,
    *options.TARGETS,
    *projects.TARGETS,
    *network.TARGETS,
    *training.TARGETS,
)
"""All of them."""
