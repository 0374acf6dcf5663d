"""Reading an animated face back from glTF."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation, Slerp

from sedtalker.errors import InputError
from sedtalker.face.face import turn_head
from sedtalker.mesh.gltf import GltfFile, read_gltf
from sedtalker.mesh.mesh import Floats, Scene


@dataclass(frozen=True, eq=False)
class Turn:
    """Rotation of a node: where it stands, its rotation at rest, its keys, and how far each vertex follows (V,)."""

    pivot: Floats
    rest: Rotation
    keys: Slerp
    times: NDArray[np.float64]
    followers: Floats


@dataclass(frozen=True, eq=False)
class GltfAnimation:
    """A morphing mesh under turning nodes.

    Attributes:
        scene: the mesh at rest and its morph targets, in scene coordinates.
        times: (T,) seconds of the weight keys.
        weights: (T, K) float32, one column for each of ``scene.target_names``.
        turns: the turning nodes, whose parents stand still.
    """

    scene: Scene
    times: Floats
    weights: Floats
    turns: tuple[Turn, ...]

    def vertices(self, seconds: NDArray[np.floating]) -> Floats:
        """Vertices (t, W, 3) at times ``seconds`` (t,)."""
        at = np.clip(seconds, self.times[0], self.times[-1])
        weights = np.stack([np.interp(at, self.times, column) for column in self.weights.T], axis=1)
        points = self.scene.mesh.vertices + np.tensordot(weights, self.scene.targets, axes=(1, 0))
        for turn in self.turns:
            at = np.clip(seconds, turn.times[0], turn.times[-1])
            rotation = (turn.keys(at) * turn.rest.inv()).as_matrix()
            points = turn_head(points, rotation, turn.pivot, turn.followers)
        return points.astype(np.float32)


def read_glb_animation(path: Path) -> GltfAnimation:
    """The first animation of a glTF file with one morphing mesh: linear weights, and rotations of its parent nodes.

    Raises:
        InputError: no such animation, or a broken file.
    """
    scene, file = read_gltf(path), GltfFile(path)
    if not file.document.animations:
        raise InputError(f"{path}: there is no animation in it")
    animation = file.document.animations[0]
    try:
        times, weights = np.zeros(1), np.zeros((1, len(scene.target_names)))
        turns = []
        for channel in animation.channels:
            sampler = animation.samplers[channel.sampler]
            keys, values = file.accessor(sampler.input)[:, 0], file.accessor(sampler.output)
            if channel.target.path == "weights":
                times, weights = keys, values.reshape(len(keys), -1)
            elif channel.target.path == "rotation":
                turns.append(_turn(file, channel.target.node, keys, values, len(scene.mesh.vertices)))
    except InputError:
        raise
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        raise InputError(f"{path}: a broken glTF animation") from None
    return GltfAnimation(scene, times.astype(np.float32), weights.astype(np.float32), tuple(turns))


def _turn(file: GltfFile, node: int, keys: NDArray[np.float64], values: NDArray[np.float64], count: int) -> Turn:
    document = file.document
    pivot = file.node_matrices()[node][:3, 3].astype(np.float32)
    rest = Rotation.from_quat(document.nodes[node].rotation or (0.0, 0.0, 0.0, 1.0))
    if len(keys) == 1:
        keys, values = np.array([keys[0], keys[0] + 1.0]), np.repeat(values, 2, axis=0)
    followers = np.ones(count, dtype=np.float32)
    if document.skins and node in document.skins[0].joints:
        attributes = document.meshes[0].primitives[0].attributes
        joints, weights = file.accessor(attributes.JOINTS_0), file.accessor(attributes.WEIGHTS_0)
        followers = (
            np.where(joints == document.skins[0].joints.index(node), weights, 0.0).sum(axis=1).astype(np.float32)
        )
    return Turn(pivot, rest, Slerp(keys, Rotation.from_quat(values)), keys, followers)
