"""Two spaces behind one interface: the Poincaré ball of hyperbolic geometry, and the flat space as its plain twin.

A method that is written against ``Geometry`` runs in either, so that what the curvature itself brings can be measured.
The ball has curvature -1 (Ganea et al. 2018, "Hyperbolic neural networks", arXiv 1805.09112); all maps stay finite up
to its edge, as points are held inside by ``EDGE``.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

EDGE = 1e-5
"""How far points of the ball stay from its edge, where distances grow without end."""
TINY = 1e-15
"""Least length that is divided by."""


class Geometry(Protocol):
    """A space with an origin. Points and tangent vectors have their coordinates in the last dimension."""

    name: str

    def from_tangent(self, vector: Tensor) -> Tensor:
        """The point that a tangent vector at the origin leads to."""

    def to_tangent(self, point: Tensor) -> Tensor:
        """The tangent vector at the origin that leads to a point; inverse of ``from_tangent``."""

    def add(self, first: Tensor, second: Tensor) -> Tensor:
        """The second point moved as the first lies from the origin."""

    def distances(self, first: Tensor, second: Tensor) -> Tensor:
        """Distances (N, K) of points (N, D) and (K, D)."""

    def mean(self, points: Tensor, steps: int = 20) -> Tensor:
        """Fréchet mean (D,) of points (N, D), the point of least squared distances."""


class FlatSpace:
    """Euclidean space."""

    name = "flat"

    def from_tangent(self, vector: Tensor) -> Tensor:
        return vector

    def to_tangent(self, point: Tensor) -> Tensor:
        return point

    def add(self, first: Tensor, second: Tensor) -> Tensor:
        return first + second

    def distances(self, first: Tensor, second: Tensor) -> Tensor:
        return _squared_distances(first, second).clamp_min(TINY).sqrt()

    def mean(self, points: Tensor, steps: int = 20) -> Tensor:
        return points.mean(0)


class PoincareBall:
    """The unit ball with the hyperbolic metric of curvature -1."""

    name = "ball"

    def from_tangent(self, vector: Tensor) -> Tensor:
        """exp_0(v) = tanh(‖v‖) v / ‖v‖."""
        length = _length(vector)
        return _inside(torch.tanh(length) * vector / length)

    def to_tangent(self, point: Tensor) -> Tensor:
        """log_0(x) = artanh(‖x‖) x / ‖x‖."""
        length = _length(point)
        return torch.atanh(length.clamp_max(1.0 - EDGE)) * point / length

    def add(self, first: Tensor, second: Tensor) -> Tensor:
        """Möbius addition x ⊕ y."""
        inner = (first * second).sum(-1, keepdim=True)
        one, two = first.square().sum(-1, keepdim=True), second.square().sum(-1, keepdim=True)
        total = (1 + 2 * inner + two) * first + (1 - one) * second
        return _inside(total / (1 + 2 * inner + one * two).clamp_min(TINY))

    def distances(self, first: Tensor, second: Tensor) -> Tensor:
        """d(x, y) = arcosh(1 + 2 ‖x - y‖² / ((1 - ‖x‖²)(1 - ‖y‖²))), equal to 2 artanh ‖(-x) ⊕ y‖."""
        one, two = (1 - points.square().sum(-1) for points in (first, second))
        ratio = _squared_distances(first, second) / (one[:, None] * two).clamp_min(TINY)
        # arcosh(1 + 2r) = 2 arsinh(√r), which is exact where r is small
        return 2 * torch.asinh(ratio.clamp_min(TINY).sqrt())

    def exponential(self, at: Tensor, vector: Tensor) -> Tensor:
        """exp_x(v), the point that a tangent vector at ``at`` leads to."""
        factor = 2.0 / (1.0 - at.square().sum(-1, keepdim=True)).clamp_min(EDGE)
        length = _length(vector)
        return self.add(at, _inside(torch.tanh(0.5 * factor * length) * vector / length))

    def logarithm(self, at: Tensor, point: Tensor) -> Tensor:
        """log_x(y), the tangent vector at ``at`` that leads to ``point``."""
        factor = 2.0 / (1.0 - at.square().sum(-1, keepdim=True)).clamp_min(EDGE)
        towards = self.add(-at, point)
        length = _length(towards)
        return 2.0 / factor * torch.atanh(length.clamp_max(1.0 - EDGE)) * towards / length

    def mean(self, points: Tensor, steps: int = 20) -> Tensor:
        """By Karcher's iteration from the mean of the tangent vectors at the origin."""
        middle = self.from_tangent(self.to_tangent(points).mean(0))
        for _ in range(steps):
            change = self.logarithm(middle, points).mean(0)
            middle = self.exponential(middle, change)
        return middle


GEOMETRIES: dict[str, Geometry] = {space.name: space for space in (PoincareBall(), FlatSpace())}
"""By name."""


def _length(values: Tensor) -> Tensor:
    """Norms (…, 1), never zero, with a finite gradient at zero."""
    return values.square().sum(-1, keepdim=True).clamp_min(TINY).sqrt()


def _inside(points: Tensor) -> Tensor:
    """Points brought back inside the ball."""
    length = _length(points)
    return torch.where(length > 1.0 - EDGE, points / length * (1.0 - EDGE), points)


def _squared_distances(first: Tensor, second: Tensor) -> Tensor:
    """Squared Euclidean distances (N, K)."""
    return (first[:, None] - second[None]).square().sum(-1)
