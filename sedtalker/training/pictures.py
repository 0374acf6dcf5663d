"""Sound, faces and attention for TensorBoard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sedtalker.audio import SAMPLE_RATE, load_audio
from sedtalker.nn.attention import LocalAttention, rotate

FACES, SIZE = 4, 192
"""Frames in a picture, and the side of each, pixels."""


def show_sound(writer: Any, audio: Path, step: int) -> None:
    """The recording that the pictures belong to."""
    writer.add_audio("audio", torch.from_numpy(load_audio(audio).samples)[None], step, SAMPLE_RATE)


def show_faces(
    writer: Any,
    predicted: NDArray[np.float32],
    recorded: NDArray[np.float32],
    triangles: NDArray[np.int32] | None,
    step: int,
) -> None:
    """Frames of a sequence, predicted (above) and recorded; nothing where the triangles are unknown."""
    if triangles is not None:
        picture = face_rows([predicted, np.asarray(recorded, np.float32)], triangles)
        writer.add_image("face/predicted_over_recorded", picture, step, dataformats="HWC")


def face_rows(motions: list[NDArray[np.float32]], triangles: NDArray[np.int32]) -> NDArray[np.uint8]:
    """(rows · SIZE, FACES · SIZE, 3) pictures of evenly spaced frames, a row for each motion (T, V, 3)."""
    from sedtalker.mesh.mesh import from_triangles
    from sedtalker.render.camera import Camera
    from sedtalker.render.renderer import make_renderer

    first = motions[0][0]
    low, high = first.min(0), first.max(0)
    centre, size = (low + high) / 2, float((high - low)[:2].max())
    eye = (float(centre[0]), float(centre[1]), float(high[2] + 2.2 * size))
    camera = Camera(eye, (float(centre[0]), float(centre[1]), float(centre[2])), fov=30.0)
    rows = []
    with make_renderer(from_triangles(first, triangles), camera, SIZE, "numba", threads=1) as renderer:
        for motion in motions:
            frames = np.linspace(0, len(motion) - 1, FACES).astype(int)
            rows.append(np.concatenate([renderer.render(np.ascontiguousarray(motion[t])) for t in frames], axis=1))
    return np.concatenate(rows, axis=0)


def show_attention(writer: Any, model: nn.Module, inputs: tuple[Tensor, ...], step: int) -> None:
    """The attention of every ``LocalAttention`` of a model over one clip, averaged over heads."""
    for name, weights in attention_maps(model, inputs).items():
        writer.add_image(f"attention/{name}", (weights / weights.max()).clip(0, 1), step, dataformats="HW")


@torch.no_grad()
def attention_maps(model: nn.Module, inputs: tuple[Tensor, ...]) -> dict[str, NDArray[np.float32]]:
    """(T, T) weights of each attention layer, by its name in the model; rows are queries and sum to 1."""
    seen: dict[str, Tensor] = {}
    layers = {name: layer for name, layer in model.named_modules() if isinstance(layer, LocalAttention)}

    def keep(name: str) -> Any:
        return lambda layer, given: seen.__setitem__(name, given[0])

    hooks = [layer.register_forward_pre_hook(keep(name)) for name, layer in layers.items()]
    try:
        model(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return {name: _weights(layers[name], x) for name, x in seen.items()}


def _weights(layer: LocalAttention, x: Tensor) -> NDArray[np.float32]:
    length, width = x.shape[1:]
    q, k, _ = layer.qkv(x[:1]).reshape(length, 3, layer.heads, width // layer.heads).permute(1, 2, 0, 3)
    q, k = (rotate(v, slice(0, length), length) for v in (q, k))
    apart = torch.arange(length, device=x.device)[:, None] - torch.arange(length, device=x.device)
    logits = (q @ k.transpose(-1, -2)) / (width // layer.heads) ** 0.5
    outside = (apart > layer.radius) | (-apart > getattr(layer, "future", layer.radius))
    weights: Tensor = logits.masked_fill(outside, -torch.inf).softmax(-1).mean(0)
    return weights.float().cpu().numpy()
