"""A mesh object of an animation's face, where the scene has none that fits."""

from __future__ import annotations

import bpy
import numpy as np

from .face_animation import UPRIGHT, FaceAnimation


def make_object(animation: FaceAnimation, collection: bpy.types.Collection) -> bpy.types.Object:
    """The face standing upright in metres, with its polygons, UVs, colours, and a material for each group."""
    mesh = bpy.data.meshes.new(animation.name)
    sizes = np.asarray(animation.polygon_sizes, np.int32)
    mesh.vertices.add(len(animation.vertices))
    mesh.vertices.foreach_set("co", UPRIGHT.points(animation.vertices).astype(np.float32).ravel())
    mesh.loops.add(len(animation.polygon_vertices))
    mesh.loops.foreach_set("vertex_index", np.asarray(animation.polygon_vertices, np.int32))
    mesh.polygons.add(len(sizes))
    mesh.polygons.foreach_set("loop_start", (np.cumsum(sizes) - sizes).astype(np.int32))
    mesh.polygons.foreach_set("material_index", np.asarray(animation.polygon_groups, np.int32))
    mesh.update(calc_edges=True)
    if animation.corner_uvs is not None:
        layer = mesh.uv_layers.new(name="UVMap")
        layer.data.foreach_set("uv", np.asarray(animation.corner_uvs, np.float32).ravel())
    if animation.colours is not None:
        attribute = mesh.color_attributes.new("Color", "BYTE_COLOR", "POINT")
        opaque = np.column_stack([animation.colours, np.ones(len(animation.colours))])
        attribute.data.foreach_set("color_srgb", opaque.astype(np.float32).ravel())
    for name in animation.group_names:
        mesh.materials.append(_material(name, animation.colours is not None))
    mesh.shade_smooth()
    made = bpy.data.objects.new(animation.name, mesh)
    collection.objects.link(made)
    return made


def _material(name: str, coloured: bool) -> bpy.types.Material:
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    if coloured:
        nodes = material.node_tree.nodes
        colour = nodes.new("ShaderNodeVertexColor")
        colour.layer_name = "Color"
        surface = next(node for node in nodes if node.type == "BSDF_PRINCIPLED")
        material.node_tree.links.new(colour.outputs["Color"], surface.inputs["Base Color"])
    return material
