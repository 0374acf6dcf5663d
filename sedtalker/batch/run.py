"""A batch from its beginning to its end: planned, worked on by processes, logged, summed up."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sedtalker.batch.inputs import Item, check_places, find_items, in_shard
from sedtalker.batch.log import DONE, FAILED, KEPT, STARTED, WHOLE, Log, Record, Shard, locked, log_files, read_logs
from sedtalker.batch.pool import LocalPool, default_jobs
from sedtalker.batch.settings import parse_settings
from sedtalker.batch.work import BatchTask, task_of
from sedtalker.errors import InputError, written
from sedtalker.progress import Hook, no_progress
from sedtalker.reading import is_folder, relative_name
from sedtalker.staging import clear_left_over
from sedtalker.version import __version__

Seen = Callable[[Item, Record], None]
"""Called with every recording that has ended, and its record."""


@dataclass(frozen=True)
class Rules:
    """How a batch is run.

    Attributes:
        jobs: how many processes; None: ``default_jobs``.
        shard: the share of the recordings that this run works on.
        resume: go on where an earlier run ended.
        force: replace results that are there.
        device: where the networks run.
    """

    jobs: int | None = None
    shard: Shard = WHOLE
    resume: bool = False
    force: bool = False
    device: str = "auto"


@dataclass
class Summary:
    """What a batch did.

    Attributes:
        files: how many recordings there were for this run.
        done: how many of them were animated.
        kept: how many were done before.
        failures: input and line of those that failed.
        speech_seconds: of sound that was animated.
        seconds: that it took.
    """

    output: str
    log: str
    files: int
    done: int = 0
    kept: int = 0
    failures: list[dict[str, str]] = field(default_factory=list)
    speech_seconds: float = 0.0
    seconds: float = 0.0

    @property
    def ended(self) -> int:
        """Recordings that were animated, kept or failed."""
        return self.done + self.kept + len(self.failures)

    def count(self, item: Item, record: Record) -> None:
        """Add a recording that has ended."""
        if record["state"] == FAILED:
            self.failures.append({"input": str(item.audio), "name": item.name, "error": record["error"]})
        elif record["state"] == KEPT:
            self.kept += 1
        else:
            self.done += 1
            self.speech_seconds = round(self.speech_seconds + record["duration"], 3)

    def described(self) -> dict[str, Any]:
        values = asdict(self)
        failures = values.pop("failures")
        return {**values, "failed": len(failures), "failures": failures}


def animate_folder(
    inputs: Path | str | Sequence[Path | str],
    output: Path | str,
    *,
    jobs: int | None = None,
    shard: Shard = WHOLE,
    resume: bool = False,
    force: bool = False,
    pattern: Sequence[str] = (),
    device: str = "auto",
    hook: Hook = no_progress,
    seen: Seen = lambda item, record: None,
    **options: Any,
) -> Summary:
    """Animate many recordings, each as ``sedtalker animate`` would: the same bytes, for any number of processes.

    ```python
    from sedtalker.batch.run import animate_folder

    summary = animate_folder("recordings", "results", jobs=4, mesh="head.obj", video=False)
    print(summary.done, [failure["error"] for failure in summary.failures])
    ```

    Args:
        inputs: recordings, folders, globs and manifests.
        output: folder of the results; those of ``recordings/anna/one.wav`` go to ``anna/one`` below it.
        jobs, shard, resume, force, device: see ``Rules``.
        pattern: names that count in folders, such as ``*.wav``.
        seen: called with every recording that has ended, and its record.
        options: those of ``sedtalker animate`` by name, such as ``mesh`` and ``intensity``, and ``only``.

    Returns:
        what was done; recordings that failed are in it and did not stop the others.

    Raises:
        InputError: something is wrong with inputs, options or the folder, before any work.
    """
    given = [inputs] if isinstance(inputs, Path | str) else list(inputs)
    rules = Rules(jobs, shard, resume, force, device)
    items = find_items(given, Path(output), parse_settings(options), pattern)
    return run_batch(items, Path(output), rules, hook, seen)


def run_batch(
    items: Sequence[Item],
    output: Path,
    rules: Rules,
    hook: Hook = no_progress,
    seen: Seen = lambda item, record: None,
) -> Summary:
    """Work on recordings, see ``animate_folder``.

    Raises:
        InputError: another run works in the folder, it holds an earlier batch, an option is wrong, or two recordings
            would be written to one place.
    """
    check_places(items, output)
    began = time.perf_counter()
    mine = [item for item in items if in_shard(item, rules.shard.index, rules.shard.count)]
    summary = Summary(str(output), str(output / rules.shard.log_name), len(mine))
    with folder_made(output), locked(output, rules.shard) as lock:
        tasks = plan(mine, output, rules)
        jobs = max(1, min(rules.jobs or default_jobs(), len(mine)))
        hook("animating", 0, len(mine))
        with closing(_events(mine, tasks, output, rules, jobs, lock)) as events:
            for item, record in events:
                summary.count(item, record)
                seen(item, record)
                hook("animating", summary.ended, len(mine))
    summary.seconds = round(time.perf_counter() - began, 3)
    return summary


@contextmanager
def folder_made(output: Path) -> Iterator[None]:
    """Make the folder of a batch; where nothing came of it, it is removed."""
    if output.exists() and not output.is_dir():
        raise InputError(f"{output} is a file: the results need a folder")
    made = not output.exists()
    with written(output):
        output.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except InputError:
        if made and not log_files(output):
            for lock in output.glob(".batch-*.lock"):
                lock.unlink(missing_ok=True)
            if not any(output.iterdir()):
                output.rmdir()
        raise


def plan(items: Sequence[Item], output: Path, rules: Rules) -> list[BatchTask]:
    """What is to be done with each recording, by the logs of earlier runs.

    Raises:
        InputError: there are such logs and neither ``resume`` nor ``force``, or results that no log knows.
    """
    last, _ = read_logs(output)
    known = [last[item.name] for item in items if item.name in last]
    if known and not rules.resume and not rules.force:
        done = sum(record["state"] == DONE for record in known)
        raise InputError(
            f"{output}: {done} of {len(items)} recordings are done there: --resume continues, --force does all again"
        )
    tasks = []
    for item in items:
        record = last.get(item.name) if rules.resume else None
        before = record if record is None or record["state"] == DONE else record.get("before")
        own = rules.resume and record is not None and before is None  # begun by a run that was ended
        if record is None and not rules.force:
            there = next((path for name in item.results if (path := output / item.name / name).exists()), None)
            if there is not None:
                raise InputError(f"{there} exists; use --force to overwrite, or name another folder")
        tasks.append(task_of(item, output, before, rules.force or own))
    return tasks


def _events(
    items: Sequence[Item], tasks: Sequence[BatchTask], output: Path, rules: Rules, jobs: int, lock: int | None
) -> Generator[tuple[Item, Record]]:
    """Every recording that has ended; beginnings and ends are logged."""
    if not tasks:
        return
    left = {item.name for item in items}
    with ExitStack() as open_until_the_end:
        open_until_the_end.callback(_clear, output, left)  # when no process is left
        pool = open_until_the_end.enter_context(LocalPool(jobs, rules.device, lock))
        notes = pool.prepare(*_options(tasks))  # options are checked before the log begins
        log = open_until_the_end.enter_context(closing(Log(output / rules.shard.log_name)))
        run = {"files": len(items), "jobs": jobs, "sedtalker": __version__}
        log.write({"run": {**run, **({"notes": notes} if notes else {})}})
        for number, kind, record in pool.run(tasks):
            item = items[number]
            known = {"name": item.name, "input": relative_name(item.audio, output.absolute())}
            if kind == "started":
                log.write({"state": STARTED, **known})
                continue
            left.discard(item.name)
            if record["state"] != KEPT:
                log.write({"state": record["state"], **known, **record})
            yield item, record


def _clear(output: Path, left: Collection[str]) -> None:
    """Remove what processes that were ended had begun to write of recordings that are left."""
    for folder in filter(is_folder, (output / name for name in left)):
        clear_left_over(folder)
        clear_left_over(folder.parent)
        with suppress(OSError):  # results of before are in it
            folder.rmdir()


def _options(tasks: Sequence[BatchTask]) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """All options, each once, and those of most of the tasks that were not done before."""
    found = {json.dumps(task["settings"]): task["settings"] for task in tasks}
    fresh = Counter(json.dumps(task["settings"]) for task in tasks if task["before"] is None)
    return list(found.values()), found[fresh.most_common(1)[0][0]] if fresh else None
