"""An animation as GLB: in the user's own GLB or VRM where that is possible, else in a file of the face alone.

In the user's file nodes, names, materials, skins, extensions and animations stay. Its meshes get the shapes of the
face that they lack as further morph targets, parts that were added to the face (eyeballs, a mouth) come as one more
node, and the animation as one more, the first. Follows glTF 2.0 (Khronos) and VRM 0 and 1 (vrm.dev).
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sedtalker.animation.animation import Animation
from sedtalker.animation.option_fields import Targets
from sedtalker.arrays import Doubles, Floats, Reals
from sedtalker.errors import InputError
from sedtalker.export.glb import LEAST_NORMAL, add_head, quaternions_of, skin_attributes, write_glb
from sedtalker.export.gltf_builder import GltfBuilder
from sedtalker.export.targets import (
    LEAST_OFFSET,
    Factors,
    MorphTargets,
    Normals,
    OwnTargets,
    choose_targets,
    name_targets,
    target_names,
)
from sedtalker.export.vrm import add_perfect_sync
from sedtalker.face.added_parts import parts_after
from sedtalker.face.face import Face, head_weights
from sedtalker.face.shape_maps import ShapeMap
from sedtalker.mesh.gltf import PlacedBuffer, placed_buffers
from sedtalker.mesh.gltf_file import GltfFile, chunks

if TYPE_CHECKING:
    from sedtalker.face.registration.pose import Similarity

logger = logging.getLogger(__name__)

SAME_PLACE = 1e-4
"""Metres between a vertex of the face and of the file, in the face's coordinates, that leave them one vertex."""
HEAD = re.compile(r"(?:^|[^A-Za-z])[Hh]ead$|[a-z]Head$")
"""Names of the joint of a head: ``Head``, ``mixamorig:Head``, ``J_Bip_C_Head``."""
NEAR_PIVOT = 0.1
"""Metres from a face's pivot to a node that is not a joint, about which the head may turn."""


def write_animation_glb(
    path: Path, animation: Animation, audio: str | None = None, targets: Targets | ShapeMap = "arkit"
) -> dict[str, Any]:
    """Write an animation with its provenance, and the name of its sound, in ``asset.extras``.

    The log says why it is not in the user's own file, where the face came from one.

    Args:
        audio: the sound, as ``asset.extras.audio`` should name it.
        targets: which morph targets, see ``choose_targets``.
    """
    face = animation.face
    chosen = choose_targets(face, animation.coefficients, targets, animation.fps)
    extras = dict(animation.provenance) | ({} if audio is None else {"audio": audio})
    try:
        own = _open(face)
        _put_into(own, animation, chosen)
        asset = own.document["asset"]
        asset["extras"] = {**(asset["extras"] if isinstance(asset.get("extras"), dict) else {}), **extras}
        own.builder.write(path, own.document)
    except _Unfit as reason:
        if face.file is not None:
            logger.info("%s: the face without the rest of %s: %s", path.name, face.file.name, reason)
        write_glb(path, face, animation.coefficients, animation.fps, animation.head_rotation, extras, targets=chosen)
    return chosen.describe(face, animation.coefficients)


class _Unfit(Exception):
    """Why an animation cannot go into the user's file."""


@dataclass
class _OwnFile:
    """The user's file while an animation is put into it.

    Attributes:
        file: as it was; document: its JSON, which is changed; builder: its numbers and the new ones.
        buffers: its vertices; matrices: (4, 4) of its nodes.
        to_face: brings its scene to the face's coordinates.
    """

    file: GltfFile
    document: dict[str, Any]
    builder: GltfBuilder
    buffers: list[PlacedBuffer]
    matrices: dict[int, Doubles]
    to_face: Similarity

    @property
    def count(self) -> int:
        """Vertices of the file."""
        return self.buffers[-1].rows.stop


def _put_into(own: _OwnFile, animation: Animation, targets: MorphTargets) -> None:
    face, document = animation.face, own.document
    turning = bool(np.any(animation.head_rotation))
    joint = _head_joint(own, face)
    added = _new_joint(own, face) if joint is None and turning else None
    joint = joint if added is None else added
    times = own.builder.accessor(animation.clock.times(len(animation)).astype(np.float32), bounds=True)
    meshes, seen = _NewTargets(own, targets, face), set()
    originals = deepcopy(document["meshes"])
    for node in dict.fromkeys(buffer.node for buffer in own.buffers):
        index = document["nodes"][node]["mesh"]
        meshes.add(node, originals[index], index not in seen, times)
        seen.add(index)
    if added is not None and "children" not in document["nodes"][added]:
        _bind(own, face, added)
    if len(face.mesh.vertices) > own.count:
        _add_parts(own, face, targets, joint, animation.fps)
    if turning and joint is not None:
        _turn(own, joint, animation.head_rotation, times)
    add_perfect_sync(document, meshes.shown)
    if own.builder.channels:
        document["animations"] = [own.builder.speech, *document.get("animations", ())]


# --- Whether the file and the face fit together.


def _open(face: Face) -> _OwnFile:
    if face.file is None:
        raise _Unfit("the face is of no GLB or VRM file")
    from sedtalker.face.registration.pose import similarity  # imports what fitting needs

    try:
        file = GltfFile(face.file)
        text, blob = chunks(face.file)
        document, buffers, matrices = json.loads(text), placed_buffers(file), file.node_matrices()
    except (InputError, OSError) as error:
        raise _Unfit(str(error)) from None
    if not blob or any("uri" in part for key in ("images", "buffers") for part in document.get(key, ())):
        raise _Unfit("it is not one file")
    if any("firstVertex" in (p.get("extras") or {}) for mesh in document["meshes"] for p in mesh["primitives"]):
        raise _Unfit("its parts share vertices, as those of sedtalker's own files do")
    there, mesh = np.concatenate([buffer.vertices for buffer in buffers]), face.mesh
    if len(there) > len(mesh.vertices):
        raise _Unfit("its vertices are not the face's")
    here = mesh.vertices[: len(there)].astype(np.float64)
    to_face = similarity(there, here, np.ones(len(there)))
    if np.abs(to_face.apply(there) - here).max() > SAME_PLACE:
        raise _Unfit("its vertices are not the face's")
    added = mesh.triangles >= len(there)
    if (added.any(axis=1) != added.all(axis=1)).any():
        raise _Unfit("its mouth was cut open")
    return _OwnFile(file, document, GltfBuilder(document, blob), buffers, matrices, to_face)


def _head_joint(own: _OwnFile, face: Face) -> int | None:
    """The node that turns the head: VRM's bone, a joint or, at the pivot, a node of that name; None: it has none."""
    nodes = own.document["nodes"]
    extensions = own.document.get("extensions", {})
    bones = (extensions.get("VRMC_vrm") or extensions.get("VRM") or {}).get("humanoid", {}).get("humanBones", {})
    if isinstance(bones, list):  # VRM 0
        bones = {bone.get("bone"): bone for bone in bones}
    named = [node for node in own.matrices if HEAD.search(nodes[node].get("name", ""))]
    candidates = [bones["head"]["node"]] if "head" in bones else named
    place = {node: own.to_face.apply(own.matrices[node][:3, 3]) for node in candidates}
    near = {node for node in candidates if np.linalg.norm(place[node] - face.pivot) < NEAR_PIVOT}
    follows = head_weights(face)
    shows_head = {b.node for b in own.buffers if follows[b.rows].mean() > 0.5} or {b.node for b in own.buffers}
    skins = {nodes[node]["skin"] for node in shows_head if "skin" in nodes[node]}
    joints = {joint for skin in skins for joint in own.document["skins"][skin]["joints"]}
    return next((c for c in candidates if c in joints or (c in near and shows_head <= _below(nodes, c))), None)


def _below(nodes: list[dict[str, Any]], root: int) -> set[int]:
    found, waiting = set(), [root]
    while waiting:
        node = waiting.pop()
        found.add(node)
        waiting += nodes[node].get("children", ())
    return found


def _new_joint(own: _OwnFile, face: Face) -> int:
    """A node ``head`` at the pivot of the face.

    Everything of the scene hangs on it; where the head has shoulders, it is a joint below one called ``body``, and
    ``_bind`` lets the meshes follow both.
    """
    document, nodes = own.document, own.document["nodes"]
    moved = [c["target"]["path"] for a in document.get("animations", ()) for c in a["channels"]]
    if any("skin" in node for node in nodes) or set(moved) - {"weights"} or not document.get("scenes"):
        raise _Unfit("it has no joint called head")
    scene, head = document["scenes"][document.get("scene", 0)], len(nodes)
    pivot = own.to_face.inverse().apply(face.pivot)
    own.matrices[head] = np.eye(4)
    own.matrices[head][:3, 3] = pivot
    nodes.append({"name": "head", "translation": pivot.tolist()})
    if (head_weights(face) < 1.0).any():
        nodes.append({"name": "body", "children": [head]})
        scene["nodes"] = [*scene["nodes"], head + 1]
        own.matrices[head + 1] = np.eye(4)
    else:
        nodes[head]["children"] = [head + 1]
        nodes.append({"name": "at the head", "translation": (-pivot).tolist(), "children": scene["nodes"]})
        scene["nodes"] = [head]
    return head


def _bind(own: _OwnFile, face: Face, head: int) -> None:
    """Skins for the file's meshes, which have none: joint 0 is the body, joint 1 the head."""
    document, builder = own.document, own.builder
    follows, bound = head_weights(face), set[int]()
    for node in dict.fromkeys(buffer.node for buffer in own.buffers):
        shown = document["nodes"][node]
        if shown["mesh"] in bound:
            document["meshes"].append(deepcopy(document["meshes"][shown["mesh"]]))
            shown["mesh"] = len(document["meshes"]) - 1
        bound.add(shown["mesh"])
        rows = {buffer.accessor: buffer.rows for buffer in own.buffers if buffer.node == node}
        made: dict[int, dict[str, int]] = {}
        for primitive in document["meshes"][shown["mesh"]]["primitives"]:
            position = primitive["attributes"].get("POSITION")
            if position is not None and position not in made:
                still = np.zeros(builder.count(position), np.float32)
                made[position] = skin_attributes(builder, follows[rows[position]] if position in rows else still)
            primitive["attributes"] = {**primitive["attributes"], **made.get(position, {})}
        inverse = np.stack([own.matrices[node], np.linalg.inv(own.matrices[head]) @ own.matrices[node]])
        matrices = builder.accessor(inverse.transpose(0, 2, 1).reshape(2, 16).astype(np.float32), plain=True)
        skins = document.setdefault("skins", [])
        skins.append({"joints": [head + 1, head], "inverseBindMatrices": matrices, "skeleton": head + 1})
        shown["skin"] = len(skins) - 1


# --- Morph targets of the file's own meshes.


class _NewTargets:
    """Puts the face's targets into the file's meshes.

    Attributes:
        shown: (node, index, weight) of the targets that show each, by their names.
    """

    def __init__(self, own: _OwnFile, targets: MorphTargets, face: Face) -> None:
        self.shown: dict[str, list[tuple[int, int, float]]] = {}
        self._own, self._targets, self._face, self._bend = own, targets, face, Normals(face)
        self._bent: dict[int, Floats] = {}

    def add(self, node: int, mesh: dict[str, Any], first: bool, times: int) -> None:
        """Targets that a node's mesh lacks, after those it has, and weights over time of all that the face moves.

        Args:
            mesh: as it was; first: no earlier node shows it, so that it is changed where it is.
        """
        own, weights = self._own, self._targets.weights
        placed = {b.accessor: b for b in own.buffers if b.node == node}
        size = [max(np.abs(o[b.rows]).max(initial=0.0) for b in placed.values()) for o in self._targets.offsets]
        moving = [k for k, most in enumerate(size) if most > LEAST_OFFSET]
        if not moving:
            return
        document, mesh = own.document, deepcopy(mesh)
        names = target_names(mesh)
        hers, found, new = self._hers(mesh, names, placed), {}, []
        before = len(names)
        for k in moving:
            name = self._targets.names[k]
            found[k] = hers(k)
            if not found[k]:
                new.append(k)
                found[k] = {len(names): 1.0}
                names.append(name if name not in names else f"{name} speech")
        for primitive in (p for p in mesh["primitives"] if "POSITION" in p["attributes"]):
            self._extend(primitive, placed, new)
        name_targets(mesh, names)
        if first:
            document["meshes"][document["nodes"][node]["mesh"]] = mesh
        else:
            document["meshes"].append(mesh)
            document["nodes"][node]["mesh"] = len(document["meshes"]) - 1
        shown = document["nodes"][node]
        rest = [*shown.get("weights", mesh["weights"][:before])[:before], *[0.0] * (len(names) - before)]
        if "weights" in shown:
            shown["weights"] = rest
        _widen(own, node, before, len(names))
        values = np.tile(np.asarray(rest), (len(weights), 1))
        values[:, [column for columns in found.values() for column in columns]] = 0.0
        for k, columns in found.items():
            for column, factor in columns.items():
                values[:, column] += factor * weights[:, k]
                self.shown.setdefault(self._targets.names[k], []).append((node, column, factor))
        own.builder.animate([node], "weights", times, values)

    def _hers(
        self, mesh: dict[str, Any], names: list[str], placed: dict[int, PlacedBuffer]
    ) -> Callable[[int], Factors]:
        """What finds the targets of the file that move its mesh as a target of the face does."""
        named = {json.dumps([p["attributes"].get("POSITION"), p.get("targets")]): p for p in mesh["primitives"]}
        shown = [(p, placed[at]) for p in named.values() if (at := p["attributes"].get("POSITION")) in placed]

        def read(j: int) -> Doubles:
            return np.concatenate([self._in_scene(buffer, p.get("targets", ())[j : j + 1]) for p, buffer in shown])

        def find(k: int) -> Factors:
            offsets = np.concatenate([self._targets.offsets[k][buffer.rows] for _, buffer in shown])
            wanted = offsets.astype(np.float64) @ self._own.to_face.rotation
            return hers.showing(self._targets.names[k], self._targets.parts[k], wanted)

        hers = OwnTargets(tuple(names), self._face.shapes, read)
        return find

    def _in_scene(self, buffer: PlacedBuffer, targets: list[dict[str, int]]) -> Doubles:
        """Offsets (N, 3) of a target of the file in the scene's axes, metres; zeros for one that moves nothing here."""
        source = targets[0].get("POSITION") if targets else None
        if source is None:
            return np.zeros_like(buffer.vertices)
        offsets = self._own.file.accessor(source)
        return np.einsum("...ij,...j->...i", buffer.place[..., :3, :3], offsets) * self._own.to_face.scale

    def _local(self, buffer: PlacedBuffer, offsets: Floats) -> tuple[Doubles, Doubles]:
        """Offsets (N, 3) of the face in the axes of a buffer, and the turn from these to the scene's axes."""
        place = buffer.place[..., :3, :3]
        scene = np.asarray(offsets, np.float64) @ self._own.to_face.rotation / self._own.to_face.scale
        turn = place / np.cbrt(np.abs(np.linalg.det(place)))[..., None, None]
        return np.einsum("...ij,...j->...i", np.linalg.inv(place), scene), turn

    def _extend(self, primitive: dict[str, Any], placed: dict[int, PlacedBuffer], new: list[int]) -> None:
        """Targets ``new`` for a primitive; they bend its normals where it has some and its own targets do."""
        attributes, own = primitive["attributes"], self._own
        buffer, targets = placed.get(attributes["POSITION"]), primitive.setdefault("targets", [])
        bends = "NORMAL" in attributes and all("NORMAL" in target for target in targets)
        count = own.builder.count(attributes["POSITION"])
        for k in new:
            made: dict[str, Reals] = {"POSITION": np.zeros((count, 3))}
            if buffer is not None:
                offsets = self._targets.offsets[k][buffer.rows]
                kept = np.where(np.abs(offsets).max(axis=1, keepdims=True) > LEAST_OFFSET, offsets, 0.0)
                made["POSITION"], turn = self._local(buffer, kept)
                if bends:
                    change = self._change(k)[buffer.rows] @ own.to_face.rotation
                    made["NORMAL"] = np.einsum("...ji,...j->...i", turn, change)
            elif bends:
                made["NORMAL"] = np.zeros((count, 3))
            targets.append({})
            for name, values in made.items():
                rows = np.flatnonzero(values.any(axis=1))
                few = values[rows].astype(np.float32)
                targets[-1][name] = own.builder.sparse_accessor(rows, few, count, bounds=name == "POSITION")

    def _change(self, k: int) -> Floats:
        """How the normals (V, 3) of the face bend."""
        if k not in self._bent:
            most = float(np.abs(self._targets.weights[:, k]).max())
            change = self._bend.change(self._targets.offsets[k], max(most, 0.5) / 2)
            change[np.abs(change).max(axis=1) < LEAST_NORMAL] = 0.0
            self._bent[k] = change
        return self._bent[k]


def _widen(own: _OwnFile, node: int, before: int, after: int) -> None:
    """Zeros for new targets in animations that the file has of a node's weights."""
    for animation in own.document.get("animations", ()):
        for channel in animation["channels"]:
            if channel["target"].get("node") == node and channel["target"]["path"] == "weights" and before < after:
                sampler = dict(animation["samplers"][channel["sampler"]])
                values = own.file.accessor(sampler["output"]).reshape(-1, before)
                wider = np.pad(values, ((0, 0), (0, after - before))).astype(np.float32)
                sampler["output"] = own.builder.accessor(wider.reshape(-1), plain=True)
                animation["samplers"].append(sampler)
                channel["sampler"] = len(animation["samplers"]) - 1


# --- Parts that were added to the face, and turns of the head.


def _add_parts(own: _OwnFile, face: Face, targets: MorphTargets, joint: int | None, fps: float) -> None:
    """What comes after the file's vertices, on a node of its own that follows the head."""
    document, rows = own.document, slice(own.count, None)
    moving = [k for k, offsets in enumerate(targets.offsets) if np.abs(offsets[rows]).max() > LEAST_OFFSET]
    chosen = MorphTargets(
        tuple(targets.names[k] for k in moving),
        targets.offsets[moving][:, rows],
        targets.weights[:, moving],
        targets.parts[moving],
    )
    document.setdefault("materials", own.builder.materials)
    add_head(own.builder, parts_after(face, own.count), chosen, fps)
    to_face = np.eye(4)
    to_face[:3, :3], to_face[:3, 3] = own.to_face.scale * own.to_face.rotation, own.to_face.translation
    to_node = np.linalg.inv(to_face @ (np.eye(4) if joint is None else own.matrices[joint]))
    node = {"name": "added to the face", "matrix": to_node.T.ravel().tolist(), "children": own.builder.roots}
    document["nodes"].append(node)
    above, key = document["scenes"][document.get("scene", 0)], "nodes"
    if joint is not None:
        above, key = document["nodes"][joint], "children"
    above[key] = [*above.get(key, ()), len(document["nodes"]) - 1]


def _turn(own: _OwnFile, joint: int, turns: Floats, times: int) -> None:
    """Let a node turn as the head does, about its own place."""
    from scipy.spatial.transform import Rotation

    nodes = own.document["nodes"]
    node = nodes[joint]
    parent = next((own.matrices[k] for k in own.matrices if joint in nodes[k].get("children", ())), np.eye(4))
    if "matrix" in node:
        matrix = np.array(node.pop("matrix"), np.float64).reshape(4, 4).T
        scale = np.linalg.norm(matrix[:3, :3], axis=0)
        node |= {"translation": matrix[:3, 3].tolist(), "scale": scale.tolist()}
        node["rotation"] = Rotation.from_matrix(matrix[:3, :3] / scale).as_quat().tolist()
    rest = Rotation.from_quat(node.get("rotation", [0, 0, 0, 1]))
    # From the face's axes to those of the parent, in which a node's rotation is.
    axes = Rotation.from_matrix(own.to_face.rotation) * Rotation.from_matrix(
        parent[:3, :3] / np.cbrt(np.linalg.det(parent[:3, :3]))
    )
    turned = axes.inv() * Rotation.from_quat(quaternions_of(turns)) * axes * rest
    own.builder.animate([joint], "rotation", times, quaternions_of(turned.as_quat()))
