"""What waits for one client."""

from __future__ import annotations

import asyncio

from sedtalker.live.outgoing import Outgoing


def test_the_oldest_makes_room_and_is_counted() -> None:
    waiting = Outgoing[int](3)
    for item in range(5):
        waiting.add(item)
    assert list(waiting.waiting) == [2, 3, 4]
    assert waiting.dropped == 2


def test_all_that_came_is_taken_before_the_end() -> None:
    async def run() -> list[int]:
        waiting, taken = Outgoing[int](10), []

        async def give() -> None:
            for item in range(5):
                waiting.add(item)
                await asyncio.sleep(0)
            waiting.add(5)
            waiting.end()

        giving = asyncio.create_task(give())
        while await waiting.more():
            taken.append(waiting.waiting.popleft())
        await giving
        assert not await waiting.more()
        return taken

    assert asyncio.run(run()) == [0, 1, 2, 3, 4, 5]
