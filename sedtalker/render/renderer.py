"""One interface for the rendering backends."""

from __future__ import annotations

from typing import Literal, Protocol

from sedtalker.errors import InputError
from sedtalker.face.face import Face
from sedtalker.mesh.mesh import Floats, Mask, Mesh
from sedtalker.render.camera import Camera
from sedtalker.render.light import Background, Lighting, load_lighting
from sedtalker.render.shading import Image

Backend = Literal["auto", "numba", "pyrender"]
"""``numba`` needs no graphics library; ``pyrender`` needs EGL; ``auto`` is the fastest that works."""


class Renderer(Protocol):
    """Makes pictures of one mesh, frame after frame; a context manager that closes itself."""

    def render(self, vertices: Floats, colours: Floats | None = None) -> Image:
        """(H, W, 3) uint8 sRGB of the mesh at ``vertices`` (V, 3), coloured ``colours`` (V, 3) sRGB where given."""

    def close(self) -> None:
        """Free what the renderer holds."""

    def __enter__(self) -> Renderer: ...

    def __exit__(self, *error: object) -> None: ...


def make_renderer(
    mesh: Mesh | Face,
    camera: Camera,
    size: int | tuple[int, int] = 512,
    backend: Backend = "auto",
    *,
    background: Background | None = None,
    lighting: Lighting | None = None,
    regions: dict[str, Mask] | None = None,
    threads: int = 0,
) -> Renderer:
    """A renderer of ``mesh`` as ``camera`` sees it.

    Args:
        mesh: the mesh whose vertices will move; a face also brings its regions.
        camera: fixed for the life of the renderer.
        size: side of the square picture, or (width, height), pixels.
        backend: ``numba`` needs no graphics library; ``pyrender`` needs EGL; ``auto`` is the fastest that works.
        background: one sRGB colour, or those of the top and the bottom; the lighting's own by default.
        lighting: lights, fixed to the camera; the preset ``studio`` by default.
        regions: vertex masks of eyes, teeth, lips …, for materials and default colours.
        threads: how many share a picture (0: as many as there are cores, at most 4). The picture is the same.

    Raises:
        InputError: an unusable size or backend.
    """
    if isinstance(mesh, Face):
        regions = mesh.regions if regions is None else regions
        mesh = mesh.mesh
    lighting = lighting or load_lighting()
    background = background or lighting.backdrop
    width, height = (size, size) if isinstance(size, int) else size
    if not (16 <= width <= 8192 and 16 <= height <= 8192):
        raise InputError(f"picture size {width} x {height} is out of range: use 16 to 8192 pixels")
    if backend == "pyrender":
        from sedtalker.render.pyrender_backend import PyrenderRenderer

        return PyrenderRenderer(mesh, camera, (width, height), background, lighting, regions)
    if backend not in ("auto", "numba"):
        raise InputError(f"unknown render backend '{backend}': use auto, numba or pyrender")
    from sedtalker.render.numba_backend import NumbaRenderer

    return NumbaRenderer(mesh, camera, (width, height), background, lighting, regions, threads)
