"""Jobs run one after another, report, and end when they are cancelled or fail."""

from __future__ import annotations

import asyncio
import threading

import pytest

from sedtalker.errors import InputError
from sedtalker.studio.studio import MOST_WAITING, Events, JobCancelled, Jobs


def run(scenario):
    """Run ``scenario(jobs, messages)`` in a loop; it gets all messages until all jobs have ended."""

    async def whole():
        events = Events()
        key = events.join()

        async def on_session(work, *args):
            return work(*args)

        jobs = Jobs(events, on_session)
        scenario(jobs)
        while jobs._tasks:
            await asyncio.sleep(0.005)
        jobs.close()
        return [key.waiting.popleft() for _ in range(len(key.waiting))]

    return asyncio.run(whole())


def test_one_after_another_with_progress():
    order = []

    def work(name):
        def run_it(hook):
            order.append(f"{name} begins")
            hook("counting", 1, 2)
            hook("counting", 2, 2)
            order.append(f"{name} ends")
            return name

        return run_it

    def both(jobs):
        for name in ("first", "second"):
            jobs.start("count", work(name), str.upper)

    messages = run(both)
    assert order == ["first begins", "first ends", "second begins", "second ends"]
    assert [m["result"] for m in messages if m["type"] == "done"] == ["FIRST", "SECOND"]
    steps = [m for m in messages if m["type"] == "progress" and m["job"] == "1"]
    assert (steps[-1]["step"], steps[-1]["done"], steps[-1]["total"]) == ("counting", 2, 2)


def test_a_job_that_waits_or_runs_can_be_cancelled():
    gate, seen = threading.Event(), []

    def patient(hook):
        try:
            while True:
                hook("waiting", 0, 0)
                gate.wait(0.01)
        except JobCancelled:
            seen.append("tidied up")
            raise

    def scenario(jobs):
        one = jobs.start("wait", patient, str)
        two = jobs.start("wait", lambda hook: hook("never", 0, 1) or seen.append("ran"), str)
        asyncio.get_running_loop().call_later(0.1, jobs.cancel, one.id)
        jobs.cancel(two.id)
        assert not jobs.cancel("99")

    messages = run(scenario)
    assert seen == ["tidied up"]
    assert [m["error"] for m in messages if m["type"] == "failed"] == ["cancelled", "cancelled"]


@pytest.mark.parametrize(
    ("error", "said"), [(InputError("give a voice"), "give a voice"), (ZeroDivisionError(), "ZeroDivisionError")]
)
def test_a_job_that_fails_says_so_and_others_go_on(caplog, error, said):
    def fail(hook):
        raise error

    def scenario(jobs):
        jobs.start("fail", fail, str)
        jobs.start("work", lambda hook: "fine", str)

    messages = run(scenario)
    assert said in messages[0]["error"]
    assert messages[1]["result"] == "fine"
    assert ("Traceback" in caplog.text) is not isinstance(error, InputError)  # of a fault of ours, for the terminal


def test_a_page_that_does_not_read_loses_the_oldest_messages():
    async def scenario():
        events = Events()
        key = events.join()
        for number in range(MOST_WAITING + 10):
            events.publish({"number": number})
        first = key.waiting.popleft()
        events.leave(key)
        events.publish({"number": -1})
        return first

    assert asyncio.run(scenario()) == {"number": 10}
