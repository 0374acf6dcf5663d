"""The tongue of the built-in head: its form, and the shapes in which it speaks (centimetres).

The tongue follows the lower jaw. ``tongueTipAlveolar`` (t, d, n, l), ``tongueTipInterdental`` (th) and
``tongueBackDorsalVelar`` (k, g, ng) are the places of articulation of OpenXR's ``XR_FB_face_tracking2`` and its names.
A tip that touches the ridge behind the upper teeth stays there however far the jaw opens, and a tip that comes forward
rises over the lower teeth first: correctives see to both, so that no part of it goes through a tooth.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sedtalker.face.builtin.parts import Arch, Index, Points, tube
from sedtalker.face.face import Corrective

TONGUE_SHAPES = (
    *("tongueUp", "tongueWide", "tongueRoll"),
    *("tongueTipInterdental", "tongueTipAlveolar", "tongueBackDorsalVelar"),
)
"""Extra shapes: tip up, wide and flat (s, i), sides rolled up, and the three places of articulation."""
TONGUE_CORRECTIVES = (
    Corrective("fix_tongueOut", ("tongueOut",)),
    Corrective("fix_tongueTipInterdental", ("tongueTipInterdental",)),
    Corrective("fix_tongueTipAlveolar_jawOpen", ("tongueTipAlveolar", "jawOpen")),
)
"""Over the lower teeth half-way, and at the ridge under an open jaw."""
TONGUE_STATIONS, TONGUE_AROUND = 14, 16
"""Cross-sections of the tongue, and vertices of each."""


def build_tongue(lower: Arch) -> tuple[Points, Index, NDArray[np.float64]]:
    """A flattened body from root to tip: vertices, quads and each vertex's place (0 at the root, 1 at the tip)."""
    t = np.linspace(0, 1, TONGUE_STATIONS)
    z = lower.front - 0.42 - 5.2 * (1 - t)
    y = lower.edge - 0.62 + 0.20 * np.sin(np.pi * t) - 0.35 * (1 - t) ** 2
    half = 1.75 * np.sqrt(np.clip(1 - (np.clip(t - 0.35, 0, 1) / 0.66) ** 2.4, 0.02, 1))
    tall = 0.62 * np.sqrt(np.clip(1 - (np.clip(t - 0.25, 0, 1) / 0.765) ** 3, 0.03, 1))
    around = np.arange(TONGUE_AROUND) * 2 * np.pi / TONGUE_AROUND
    sections = []
    for k in range(TONGUE_STATIONS):
        cx, cy = np.cos(around), np.sin(around)
        groove = -0.10 * np.exp(-((cx / 0.25) ** 2)) * (cy > 0) * np.sin(np.pi * t[k])
        sections.append(np.stack([half[k] * cx, y[k] + tall[k] * (cy + groove / 0.62), np.full_like(cx, z[k])], axis=1))
    vertices, quads = tube(np.array(sections))
    place = np.concatenate([np.repeat(t, TONGUE_AROUND), [0.0, 1.0]])
    vertices[-1, 2] += 0.06
    return vertices, quads, place


def tongue_motion(points: Points, place: NDArray[np.float64], jaw: Points) -> dict[str, Points]:
    """Offsets (n, 3) of the tongue by shape and corrective, on top of what the jaw does to it.

    Args:
        points: (n, 3) at rest.
        place: (n,) 0 at the root, 1 at the tip.
        jaw: (n, 3) offsets of ``jawOpen``.
    """
    x, y, _ = points.T
    stations = np.linspace(0, 1, TONGUE_STATIONS)
    middle = y - np.interp(place, stations, [y[np.abs(place - p) < 1e-3].mean() for p in stations])
    tip = np.clip((place - 0.25) / 0.75, 0, 1)
    blade = np.clip(1.12 * tip, 0, 1) ** 2
    back = np.exp(-(((place - 0.36) / 0.20) ** 2))
    reach = tip**1.1
    arched = 1.0 - 0.25 * (x / 1.75) ** 2
    zero = np.zeros_like(x)
    rise = 0.56 * np.clip(tip * 1.6, 0, 1) - 1.6 * np.clip(tip - 0.6, 0, 1) ** 1.3
    motion = {
        "tongueOut": (-0.16 * x * reach, rise - 0.5 * middle * reach, 3.45 * reach),
        "tongueUp": (-0.10 * x * tip, 0.78 * tip**2.2, 0.25 * tip - 0.05),
        "tongueWide": (0.12 * x * (0.3 + tip), -0.25 * middle + 0.12, zero),
        "tongueRoll": (-0.25 * x * tip, 0.32 * (x / 1.4) ** 2 * tip, zero),
        "tongueTipInterdental": (-0.20 * x * blade, 0.76 * blade - 0.55 * middle * blade, 0.95 * blade),
        "tongueTipAlveolar": (-0.24 * x * tip**2, 1.45 * tip**2.2 * arched - 0.25 * middle * blade, 0.30 * tip**3),
        "tongueBackDorsalVelar": (-0.12 * x * back, 1.3 * back * arched - 0.12 * tip, -0.25 * tip),
        "fix_tongueOut": (-0.12 * x * reach, 0.70 * blade - 0.3 * middle * blade, -0.7 * reach),
        "fix_tongueTipInterdental": (zero, 0.45 * blade, zero),
    }
    offsets = {name: np.stack(moved, axis=1) for name, moved in motion.items()}
    return offsets | {"fix_tongueTipAlveolar_jawOpen": -jaw * (tip**2.2)[:, None]}
