"""What waits for one client: the oldest makes room for the newest, and how much was lost is counted."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Outgoing(Generic[Item]):
    """Items that wait, at most so many of them.

    Attributes:
        waiting: the items, oldest first; whoever sends them takes them out.
        dropped: how many made room; whoever says so sets it to 0.
        ended: whether no more will come.
    """

    def __init__(self, most: int) -> None:
        self.waiting: deque[Item] = deque(maxlen=most)
        self.dropped = 0
        self.ended = False
        self._ready = asyncio.Event()

    def add(self, item: Item) -> None:
        """Keep the newest."""
        self.dropped += len(self.waiting) == self.waiting.maxlen
        self.waiting.append(item)
        self._ready.set()

    def end(self) -> None:
        self.ended = True
        self._ready.set()

    async def more(self) -> bool:
        """Wait until something is there (True), or all has been taken and no more will come (False)."""
        while not self.waiting and not self.ended:
            self._ready.clear()
            await self._ready.wait()
        return bool(self.waiting)
