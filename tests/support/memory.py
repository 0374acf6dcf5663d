"""A bound on the memory that a test may take: small files must not claim gigabytes."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def memory_watched(most: int = 64 * 2**20) -> Iterator[None]:
    """Fail where the block takes more than ``most`` bytes at once; NumPy's arrays count."""
    tracemalloc.start()
    try:
        yield
        taken = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert taken < most, f"{taken / 2**20:.0f} MiB were taken"
