"""Rendering with pyrender on EGL: the scene is built once, then only vertex buffers change.

Several details are what pyrender 0.1.45 needs offscreen: ``PYOPENGL_PLATFORM`` before its import, pyglet headless or
it asks for X libraries, and a background of floats (integers would be divided by 255).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sedtalker.arrays import Floats, Ints, Mask, to_srgb
from sedtalker.errors import InputError, extra
from sedtalker.mesh.mesh import Material, Mesh
from sedtalker.mesh.surface import split_vertices
from sedtalker.render.camera import Camera, facing
from sedtalker.render.drawable import sides_of
from sedtalker.render.light import MATERIALS, Lighting, blank_eyes, default_colours, to_linear, triangle_parts
from sedtalker.render.picture import DrawnMesh, Image, Renderer, Shot
from sedtalker.render.planes import INSIDE
from sedtalker.render.shading import backdrop, compiled_normals, eye_colour
from sedtalker.render.textures import levels_of, textures_of

_NO_GL = (
    "the pyrender backend needs EGL, which was not found: on Debian or Ubuntu install the packages libegl1 and libgl1, "
    "or use the numba backend"
)
"""What a user reads where OpenGL cannot start."""
EYE_SIDE = 128
"""Pixels a side of the picture of an eyeball."""


def import_pyrender() -> Any:
    """The pyrender module, set up for EGL.

    Raises:
        InputError: the extra ``gl`` is not installed, or EGL cannot be loaded.
    """
    if os.environ.setdefault("PYOPENGL_PLATFORM", "egl") != "egl":
        raise InputError(
            f"PYOPENGL_PLATFORM is {os.environ['PYOPENGL_PLATFORM']!r}: unset it to use the pyrender backend"
        )
    try:
        with extra("gl"):
            import pyglet

            pyglet.options["headless"] = True
            import pyrender
            import pyrender.platforms.egl
    except InputError:
        raise
    except Exception:  # a missing library shows as ImportError, OSError or AttributeError
        raise InputError(_NO_GL) from None
    pyrender.renderer.glBlendFunc = _blend
    return pyrender


def _blend(source: int, target: int) -> None:
    """``glBlendFunc`` for colours; what is half transparent before the head leaves no hole in the picture's opacity."""
    from OpenGL.GL import GL_ONE, GL_ONE_MINUS_SRC_ALPHA, glBlendFuncSeparate

    glBlendFuncSeparate(source, target, GL_ONE, GL_ONE_MINUS_SRC_ALPHA)


@dataclass(frozen=True, eq=False)
class _Piece:
    """A primitive, and what its vertices are made of.

    Attributes:
        primitive: of pyrender.
        used: (N,) the renderer's vertices that are its vertices.
        tint: (3,) factor on their colours.
        picture: its base colour texture, or None.
        places: (N, 2) texture coordinates, or None.
    """

    primitive: Any
    used: NDArray[np.integer]
    tint: Floats
    picture: Any
    places: Floats | None


class PyrenderRenderer(Renderer):
    """The same lights, pyrender's own physically based shader."""

    def __init__(self, shot: Shot) -> None:
        pyrender = import_pyrender()
        lighting = shot.lighting
        width, height = shot.size
        self._background = _to_srgb(backdrop(shot.background, width, height))
        self._clear = isinstance(shot.background, str)
        ambient = (np.array(lighting.sky) + lighting.ground) / 2
        self._scene = pyrender.Scene(bg_color=np.zeros(4, dtype=np.float32), ambient_light=ambient)
        self._subjects = [_Subject(pyrender, self._scene, subject) for subject in shot.subjects]
        self._vertex_count = sum(subject.count for subject in self._subjects)
        _add_camera_and_lights(pyrender, self._scene, shot.camera, width / height, lighting)
        self._flags = pyrender.RenderFlags.RGBA
        try:
            self._renderer = pyrender.OffscreenRenderer(width, height)
            self._renderer.render(self._scene, self._flags)
        except Exception:  # whatever the driver says: there is a library but no usable device
            raise InputError(_NO_GL) from None

    def render(self, vertices: Floats, colours: Floats | None = None) -> Image:
        """See ``Renderer``."""
        if vertices.shape != (self._vertex_count, 3):
            raise ValueError(f"expected ({self._vertex_count}, 3) vertices, got {vertices.shape}")
        self._renderer._platform.make_current()
        first = 0
        for subject in self._subjects:
            own = slice(first, first + subject.count)
            subject.move(vertices[own], None if colours is None else to_linear(colours[own]))
            first += subject.count
        seen, _ = self._renderer.render(self._scene, self._flags)
        cover = seen[..., 3:].astype(np.float32) / 255
        if self._clear:
            straight = seen[..., :3] / np.maximum(cover, 1 / 255)
            return np.concatenate([np.clip(np.round(straight), 0, 255).astype(np.uint8), seen[..., 3:]], axis=2)
        picture = seen[..., :3] + (1 - cover) * self._background
        return np.clip(np.round(picture), 0, 255).astype(np.uint8)

    def close(self) -> None:
        """Free the GL context."""
        self._renderer.delete()


class _Subject:
    """A mesh in a scene of pyrender."""

    def __init__(self, pyrender: Any, scene: Any, subject: DrawnMesh) -> None:
        mesh, regions, rest = subject
        self.count = len(rest)
        textured = any(m is not None and (m.texture or m.normal) for m in mesh.materials)
        self._sources, self._triangles, self._weld, self._places = split_vertices(mesh, uvs=textured)
        self._colours = to_linear(default_colours(mesh, regions))
        self._pieces = self._parts(pyrender, mesh, regions, self._rows(rest, self._colours))
        scene.add(pyrender.Mesh([piece.primitive for piece in self._pieces]))

    def move(self, vertices: Floats, colours: Floats | None) -> None:
        """Put the vertices (V, 3) there; ``colours`` (V, 3) are linear."""
        from OpenGL.GL import GL_ARRAY_BUFFER, glBindBuffer, glBufferSubData

        rows = self._rows(vertices, self._colours if colours is None else colours)
        for piece in self._pieces:
            if piece.picture is not None:
                piece.primitive.material.baseColorTexture = piece.picture if colours is None else None
            textured = colours is None and piece.picture is not None
            data = _laid_out(rows[piece.used], piece.tint, piece.places, textured)
            glBindBuffer(GL_ARRAY_BUFFER, piece.primitive._buffers[0])
            glBufferSubData(GL_ARRAY_BUFFER, 0, data.nbytes, data)
        glBindBuffer(GL_ARRAY_BUFFER, 0)

    def _rows(self, vertices: Floats, colours: Floats) -> Floats:
        """(W, 9) position, normal and colour of each of the renderer's vertices."""
        points = np.ascontiguousarray(vertices[self._sources], dtype=np.float32)
        normals = compiled_normals(points, self._triangles, self._weld)
        return np.concatenate([points, normals, colours[self._sources]], axis=1)

    def _parts(self, pyrender: Any, mesh: Mesh, regions: dict[str, Mask] | None, rows: Floats) -> list[_Piece]:
        """A primitive for each part of the head, material and way of being seen from behind."""
        parts = triangle_parts(mesh, regions)
        inner, one_sided = sides_of(mesh, parts, regions)
        textures = textures_of(mesh)
        kinds = textures.looks.of_triangle
        groups = np.zeros(len(parts), np.int32)
        if mesh.polygon_groups is not None:
            groups = mesh.polygon_groups[mesh.triangle_polygons]
        blank = blank_eyes(mesh, regions)
        white = np.ones(3, dtype=np.float32)
        pieces = []
        _, first, which = np.unique(
            np.stack([parts, kinds, inner, one_sided], axis=1), axis=0, return_index=True, return_inverse=True
        )
        for k, t in enumerate(first):
            chosen = which.reshape(-1) == k
            triangles = self._triangles[chosen]
            outer = triangles[:, ::-1] if inner[t] < 0 else triangles
            material = mesh.materials[groups[t]] if kinds[t] >= 0 else None
            culled = bool(one_sided[t] or inner[t])
            surface = _surface(pyrender, MATERIALS[list(MATERIALS)[parts[t]]].sharpness, material, culled)
            places = None
            if parts[t] == list(MATERIALS).index("eye") and blank[np.unique(mesh.triangles[chosen])].any(axis=1).all():
                surface.baseColorTexture = _eye_texture(pyrender)
                places = 0.5 + 0.5 * blank[self._sources, :2]
            if material is not None and self._places is not None:
                flipped = 1 - self._places[:, 1]  # pyrender turns pictures over
                places = np.stack([self._places[:, 0], flipped], axis=1).astype(np.float32)
            pieces.append(_piece(pyrender, rows, outer, surface, white, places))
            if inner[t]:
                surface = _surface(pyrender, 1, material, culled)
                pieces.append(_piece(pyrender, rows, outer[:, ::-1], surface, INSIDE, places))
        return pieces


def _surface(pyrender: Any, sharpness: int, material: Material | None, culled: bool) -> Any:
    """A material of pyrender; with the user's pictures, opacity and colour where ``material`` has some."""
    how = {"metallicFactor": 0.0, "roughnessFactor": 1.0 - 0.09 * sharpness, "doubleSided": not culled}
    if material is None:
        return pyrender.MetallicRoughnessMaterial(baseColorFactor=(1.0, 1.0, 1.0, 1.0), **how)
    picture = _texture(pyrender, material.texture, material.cutoff if material.alpha == "MASK" else None)
    colour = material.colour if picture is not None else (1.0, 1.0, 1.0, material.colour[3])
    return pyrender.MetallicRoughnessMaterial(
        baseColorFactor=colour,
        baseColorTexture=picture,
        normalTexture=_texture(pyrender, material.normal),
        # pyrender does not cut out: opacity that is all or nothing is blended
        alphaMode="OPAQUE" if material.alpha == "OPAQUE" else "BLEND",
        **how,
    )


def _eye_texture(pyrender: Any) -> Any:
    """White, iris and pupil of an eyeball as seen from the front: few vertices are too coarse for them."""
    from PIL import Image as Pictures

    across = np.linspace(-1.0, 1.0, EYE_SIDE, dtype=np.float32)
    x, y = np.meshgrid(across, across)
    z = np.sqrt(np.maximum(1 - x * x - y * y, 0))
    linear = np.stack([np.vectorize(eye_colour)(x, y, z, channel) for channel in range(3)], axis=2)
    pixels = np.round(_to_srgb(linear)).astype(np.uint8)
    return pyrender.Texture(source=Pictures.fromarray(pixels), source_channels="RGB")


def _texture(pyrender: Any, picture: bytes | None, cutoff: float | None = None) -> Any:
    """A texture of pyrender, as large as the other renderer takes them; None where the picture cannot be read."""
    from PIL import Image as Pictures

    levels = [] if picture is None else levels_of(picture, srgb=True)[:1]
    if not levels:
        return None
    pixels = levels[0].copy()
    if cutoff is not None:
        pixels[..., 3] = np.where(pixels[..., 3] >= 255 * cutoff, 255, 0)
    if pixels[..., 3].min() == 255:
        pixels = pixels[..., :3]
    return pyrender.Texture(
        source=Pictures.fromarray(pixels), source_channels="RGB" if pixels.shape[2] == 3 else "RGBA"
    )


def _piece(pyrender: Any, rows: Floats, triangles: Ints, surface: Any, tint: Floats, places: Floats | None) -> _Piece:
    used, local = np.unique(triangles, return_inverse=True)
    at, picture = None if places is None else places[used], surface.baseColorTexture
    laid = _laid_out(rows[used], tint, at, picture is not None)
    primitive = pyrender.Primitive(
        positions=laid[:, :3],
        normals=laid[:, 3:6],
        texcoord_0=at,
        color_0=laid[:, -4:],
        indices=local.reshape(-1, 3),
        material=surface,
    )
    return _Piece(primitive, used, tint, picture, at)


def _laid_out(rows: Floats, tint: Floats, places: Floats | None, textured: bool) -> Floats:
    """(N, 10), or (N, 12) with texture coordinates: rows of a piece as pyrender lays them out."""
    colours = np.broadcast_to(tint, (len(rows), 3)) if textured else rows[:, 6:9] * tint
    opaque = np.ones((len(rows), 1), np.float32)
    middle = [] if places is None else [places]
    return np.ascontiguousarray(np.concatenate([rows[:, :6], *middle, colours, opaque], axis=1), dtype=np.float32)


def _add_camera_and_lights(pyrender: Any, scene: Any, camera: Camera, aspect: float, lighting: Lighting) -> None:
    pose = np.linalg.inv(camera.view())
    lens = pyrender.PerspectiveCamera(
        yfov=np.radians(camera.fov), aspectRatio=aspect, znear=camera.near, zfar=camera.far
    )
    scene.add(lens, pose=pose)
    for light in lighting.lights:
        # A light shines along −Z of its node: turn +Z towards where it stands.
        turn = np.eye(4)
        turn[:3, :3] = facing(light.direction()).T
        source = pyrender.DirectionalLight(color=light.colour, intensity=np.pi * 1.1 * light.strength)
        scene.add(source, pose=pose @ turn)


def _to_srgb(linear: Floats) -> Floats:
    """(H, W, 3) linear light as sRGB in [0, 255]."""
    return (255 * to_srgb(linear)).astype(np.float32)
