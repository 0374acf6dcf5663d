"""Rendering with pyrender on EGL: the scene is built once, then only vertex buffers change.

Several details are what pyrender 0.1.45 needs offscreen: ``PYOPENGL_PLATFORM`` before its import, pyglet headless or
it asks for X libraries, and a background of floats (integers would be divided by 255).
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sedtalker.errors import InputError, extra
from sedtalker.mesh.mesh import Floats, Mask, Mesh, weld_map
from sedtalker.render.camera import Camera
from sedtalker.render.light import MATERIALS, Lighting, default_colours, to_linear, triangle_parts
from sedtalker.render.picture import Behind
from sedtalker.render.shading import Image, backdrop, compiled_normals

_NO_GL = (
    "the pyrender backend needs EGL, which was not found: on Debian or Ubuntu install the packages libegl1 and libgl1, "
    "or use the numba backend"
)
"""What a user reads where OpenGL cannot start."""


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
    return pyrender


class PyrenderRenderer:
    """See ``sedtalker.render.renderer.Renderer``; the same lights, pyrender's own physically based shader."""

    def __init__(
        self,
        mesh: Mesh,
        camera: Camera,
        size: tuple[int, int],
        background: Behind,
        lighting: Lighting,
        regions: dict[str, Mask] | None = None,
    ) -> None:
        pyrender = import_pyrender()
        width, height = size
        self._vertex_count = len(mesh.vertices)
        self._triangles = np.ascontiguousarray(mesh.triangles)
        self._weld = weld_map(mesh)
        self._colours = to_linear(default_colours(mesh, regions))
        self._background = _to_srgb(backdrop(background, width, height))
        self._clear = isinstance(background, str)
        ambient = (np.array(lighting.sky) + lighting.ground) / 2
        self._scene = pyrender.Scene(bg_color=np.zeros(4, dtype=np.float32), ambient_light=ambient)
        self._primitives = self._add_parts(pyrender, mesh, regions)
        _add_camera_and_lights(pyrender, self._scene, camera, width / height, lighting)
        self._flags = pyrender.RenderFlags.RGBA | pyrender.RenderFlags.SKIP_CULL_FACES
        try:
            self._renderer = pyrender.OffscreenRenderer(width, height)
            self._renderer.render(self._scene, self._flags)
        except Exception:  # whatever the driver says: there is a library but no usable device
            raise InputError(_NO_GL) from None

    def render(self, vertices: Floats, colours: Floats | None = None) -> Image:
        """See ``Renderer``."""
        from OpenGL.GL import GL_ARRAY_BUFFER, glBindBuffer, glBufferSubData

        if vertices.shape != (self._vertex_count, 3):
            raise ValueError(f"expected ({self._vertex_count}, 3) vertices, got {vertices.shape}")
        rows = self._rows(vertices, self._colours if colours is None else to_linear(colours))
        self._renderer._platform.make_current()
        for primitive, used in self._primitives:
            data = np.ascontiguousarray(rows[used])
            glBindBuffer(GL_ARRAY_BUFFER, primitive._buffers[0])
            glBufferSubData(GL_ARRAY_BUFFER, 0, data.nbytes, data)
        glBindBuffer(GL_ARRAY_BUFFER, 0)
        seen, _ = self._renderer.render(self._scene, self._flags)
        cover = seen[..., 3:].astype(np.float32) / 255
        if self._clear:
            straight = seen[..., :3] / np.maximum(cover, 1 / 255)
            return np.concatenate([np.clip(np.round(straight), 0, 255).astype(np.uint8), seen[..., 3:]], axis=2)
        picture = seen[..., :3] + (1 - cover) * self._background
        return np.clip(np.round(picture), 0, 255).astype(np.uint8)

    def render_all(self, frames: Iterable[Floats]) -> Generator[Image, None, None]:
        """See ``Renderer``."""
        for vertices in frames:
            yield self.render(vertices)

    def close(self) -> None:
        """Free the GL context."""
        self._renderer.delete()

    def __enter__(self) -> PyrenderRenderer:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _rows(self, vertices: Floats, colours: Floats) -> Floats:
        """(V, 10) position, normal and colour of each vertex, as pyrender lays them out."""
        points = np.ascontiguousarray(vertices, dtype=np.float32)
        normals = compiled_normals(points, self._triangles, self._weld)
        return np.concatenate([points, normals, colours, np.ones((len(points), 1), np.float32)], axis=1)

    def _add_parts(
        self, pyrender: Any, mesh: Mesh, regions: dict[str, Mask] | None
    ) -> list[tuple[Any, NDArray[np.int64]]]:
        """One primitive for each part of the head, and the mesh vertices that are its vertices."""
        parts = triangle_parts(mesh, regions)
        materials = list(MATERIALS.values())
        rows = self._rows(mesh.vertices, self._colours)
        primitives = []
        for part in np.unique(parts):
            used, local = np.unique(self._triangles[parts == part], return_inverse=True)
            surface = pyrender.MetallicRoughnessMaterial(
                baseColorFactor=(1.0, 1.0, 1.0, 1.0),
                metallicFactor=0.0,
                roughnessFactor=1.0 - 0.09 * materials[part].sharpness,
                doubleSided=True,
            )
            primitive = pyrender.Primitive(
                positions=rows[used, :3],
                normals=rows[used, 3:6],
                color_0=rows[used, 6:],
                indices=local.reshape(-1, 3),
                material=surface,
            )
            primitives.append((primitive, used))
        self._scene.add(pyrender.Mesh([primitive for primitive, _ in primitives]))
        return primitives


def _add_camera_and_lights(pyrender: Any, scene: Any, camera: Camera, aspect: float, lighting: Lighting) -> None:
    pose = np.linalg.inv(camera.view())
    lens = pyrender.PerspectiveCamera(
        yfov=np.radians(camera.fov), aspectRatio=aspect, znear=camera.near, zfar=camera.far
    )
    scene.add(lens, pose=pose)
    for light in lighting.lights:
        # A light shines along −Z of its node: turn +Z towards where it stands.
        towards = light.direction().astype(np.float64)
        right = np.cross((0.0, 1.0, 0.0), towards)
        right /= np.linalg.norm(right)
        turn = np.eye(4)
        turn[:3, :3] = np.stack([right, np.cross(towards, right), towards], axis=1)
        source = pyrender.DirectionalLight(color=light.colour, intensity=np.pi * 1.1 * light.strength)
        scene.add(source, pose=pose @ turn)


def _to_srgb(linear: Floats) -> Floats:
    """(H, W, 3) linear light as sRGB in [0, 255]."""
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return (255 * encoded).astype(np.float32)
