"""Colours of a texture at vertices: this project shows and exports colours by vertex."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

PICTURES = (b"\x89PNG", b"\xff\xd8\xff")
"""How the files begin that textures are kept in: PNG and JPEG."""
_MAX_SIDE = 8192
_USED_SIDE = 512  # about as fine as vertices lie; a finer picture would alias


def kept_picture(data: bytes) -> bytes | None:
    """A texture's file as it is if it is PNG or JPEG, made PNG if it is another kind; None if it cannot be read."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as image:
            if max(image.size) > _MAX_SIDE:
                return None
            if data.startswith(PICTURES):
                image.verify()
                return data
            made = io.BytesIO()
            image.convert("RGBA" if image.has_transparency_data else "RGB").save(made, "PNG")
            return made.getvalue()
    except Exception:  # Pillow raises whatever its decoders meet
        return None


def sample_image(data: bytes, uvs: NDArray[np.floating]) -> NDArray[np.float64]:
    """Linear colours (N, 3) of an encoded sRGB image at ``uvs`` (N, 2), origin at the top left, repeating.

    Raises:
        ValueError, OSError: no image, or one larger than 8192 pixels a side.
    """
    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        if max(image.size) > _MAX_SIDE:
            raise ValueError("the texture is too large")
        image.thumbnail((_USED_SIDE, _USED_SIDE), Image.Resampling.BOX)
        pixels = np.asarray(image.convert("RGB"), dtype=np.float64) / 255.0
    linear = np.where(pixels <= 0.04045, pixels / 12.92, ((pixels + 0.055) / 1.055) ** 2.4)
    height, width = linear.shape[:2]
    at = np.nan_to_num(np.asarray(uvs, dtype=np.float64)) % 1.0 * (width, height) - 0.5
    corner = np.floor(at).astype(int)
    share = (at - corner)[:, :, None]
    left, right = corner[:, 0] % width, (corner[:, 0] + 1) % width
    top, bottom = corner[:, 1] % height, (corner[:, 1] + 1) % height
    upper = linear[top, left] * (1 - share[:, 0]) + linear[top, right] * share[:, 0]
    lower = linear[bottom, left] * (1 - share[:, 0]) + linear[bottom, right] * share[:, 0]
    colours: NDArray[np.float64] = upper * (1 - share[:, 1]) + lower * share[:, 1]
    return colours
