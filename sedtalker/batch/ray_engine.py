"""The same work on a Ray cluster, by Ray Data: actors hold a ``Worker`` each, and every block is one recording.

Nothing leaves the machines of the cluster: usage statistics and the dashboard are off. Where a worker dies, Ray starts
another and gives it the task again; recordings are whole or not there, so that is safe.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sedtalker.batch.log import FAILED, Record
from sedtalker.batch.pool import Event, worker_environment
from sedtalker.batch.work import Task, Worker
from sedtalker.errors import InputError, extra

OBJECT_STORE = 100 * 2**20
"""Bytes of shared memory of a local cluster: tasks and records are a few kilobytes each."""
STARTS = 3
"""How often a local cluster is started before it is given up: Ray waits half a minute, too short on a busy machine."""
MOST_BLOCKS = 2000
"""Largest number of blocks of a data set; beyond it, a block holds several recordings."""
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
}
"""Variables of Ray, set before it is imported."""
ADDRESS = "RAY_ADDRESS"
"""Environment variable of Ray that names a running cluster."""


def check_ray() -> None:
    """Raise ``InputError`` when Ray Data is not installed."""
    os.environ |= ENVIRONMENT
    with extra("ray"):
        import pyarrow  # type: ignore[import-untyped, unused-ignore] # noqa: F401
        import ray
        import ray.data  # noqa: F401


class RayWorker:
    """What an actor holds."""

    def __init__(self, device: str):
        self.worker = Worker(device)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """A row with the record of the task in it."""
        return {"number": row["number"], "record": json.dumps(self.worker(json.loads(row["task"])))}


def start(jobs: int) -> None:
    """Start a local cluster, or connect to that of ``RAY_ADDRESS``.

    Raises:
        InputError: that did not work.
    """
    import ray

    address = os.environ.get(ADDRESS)
    local = {"num_cpus": jobs, "object_store_memory": OBJECT_STORE, "include_dashboard": False}
    options: dict[str, Any] = {} if address else local
    for attempt in range(1, STARTS + 1):
        try:
            ray.init(
                address=address or "local",
                log_to_driver=False,
                logging_level=logging.ERROR,
                runtime_env={"env_vars": worker_environment(jobs)},
                **options,
            )
        except Exception as error:  # Ray raises plain ones too
            ray.shutdown()
            if address or attempt == STARTS:
                raise InputError(f"Ray cannot be started or reached: {' '.join(str(error).split())}") from None
        else:
            return


@dataclass
class RayPool:
    """Works on tasks with Ray; a context manager, at whose end a cluster that it started is gone.

    Attributes:
        jobs: how many actors, one core each.
        device: where the networks run.
    """

    jobs: int
    device: str = "auto"

    def __enter__(self) -> RayPool:
        check_ray()
        for name in ("ray", "ray.data"):
            logging.getLogger(name).setLevel(logging.ERROR)
        polite = signal.getsignal(signal.SIGTERM)
        start(self.jobs)
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, polite)  # Ray's own would leave without a word
        return self

    def __exit__(self, *error: object) -> None:
        import ray

        ray.shutdown()

    def run(self, tasks: Sequence[Task]) -> Iterator[Event]:
        """Work on all tasks; every one that has nothing before it counts as started at once, as Ray plans by itself."""
        import ray
        from ray.data import ActorPoolStrategy

        if not tasks:
            return
        for number, task in enumerate(tasks):
            if task["before"] is None:
                yield number, "started", {}
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        rows = [
            {"number": number, "task": json.dumps({**task, "overwrite": task["overwrite"] or task["before"] is None})}
            for number, task in enumerate(tasks)
        ]
        data = ray.data.from_items(rows, override_num_blocks=min(len(rows), MOST_BLOCKS))
        actors = ActorPoolStrategy(size=min(self.jobs, len(rows)), max_tasks_in_flight_per_actor=2)
        ended = set()
        worked_on = data.map(
            RayWorker,  # type: ignore[arg-type, unused-ignore]
            fn_constructor_args=(self.device,),
            compute=actors,
            num_cpus=1,
        )
        for row in worked_on.iter_rows():
            number = int(row["number"])
            ended.add(number)
            record: Record = json.loads(row["record"])
            yield number, "ended", record
        for number in sorted(set(range(len(tasks))) - ended):
            yield number, "ended", {"state": FAILED, "error": "Ray gave no result for it", "seconds": 0.0}
