"""Kill every command that writes, at random moments, and look at what is left.

    python scripts/kill_commands.py --json kills.json

Each command is run once in quiet, which gives its results and its time. Then it is started again and again and killed
by SIGINT, SIGTERM or SIGKILL: half of the moments anywhere in its run, half in its writing, while there is something in
a folder of work in progress. In turn there are no results before, or older ones that ``--force`` replaces. After each
kill the results must be absent, whole old or whole new. A mixture after SIGKILL counts as *finished by the next* when
the next program makes it whole. After some kills the command runs through: its results must be those of the quiet run,
and nothing else may lie in its folder, its cache, its TMPDIR or its working directory.

The commands run in forks of this process, in which the libraries are imported, so that a kill costs a second; every
twenty-fourth is a process of its own from the start of Python.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(name, "1")

ROOT = Path(__file__).parents[1]
SAMPLE, HEAD = ROOT / "data/samples/four_moods.wav", ROOT / "data/samples/head.obj"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
SIGNAL_NAMES = tuple(number.name for number in SIGNALS)
ROUND = 9
"""Kills of a command before it runs through."""
FRESH = 24
"""Every so many kills the process begins with the start of Python."""
LIMIT = 300.0
"""Seconds after which a command hangs."""
INTERRUPTED = "interrupted; "
"""How the line of a command begins that was killed politely."""


@dataclass(frozen=True)
class Command:
    """A command that writes.

    Attributes:
        name: of the row.
        words: its arguments; ``OUT`` is the folder of the results, ``IN`` that of the inputs.
        old: other arguments, whose results are there before; none: results are never there before.
        force: arguments that let it replace results.
        kills: of it, in proportion to the other commands.
        goes_on: whether the next run goes on where a killed one was; then the results of each folder count for
            themselves, and logs and states of a training are not compared.
    """

    name: str
    words: str
    old: str = ""
    force: str = "--force"
    kills: int = 3
    goes_on: bool = False


COMMANDS = (
    Command("checkpoint convert", "checkpoint convert IN/w.pt OUT/w.safetensors", kills=22),
    Command("checkpoint convert --like", "checkpoint convert IN/w.pt OUT/w --like CHECKPOINTS/emotion_encoder",
            kills=30),
    Command("checkpoint export", "checkpoint export IN/run OUT/x", force="", kills=18),
    *(Command(f"export, {name}", f"export IN/clip.npz --to {name} -q -o OUT", "--fps 12", kills=kills)
      for name, kills in (("keys", 8), ("npy", 10), ("mdd", 8), ("pc2", 8), ("npz", 8), ("arkit", 8), ("usd", 8))),
    Command("export, several", "export IN/clip.npz --to mdd,pc2,npy,npz,keys -q -o OUT", "--fps 12", kills=24),
    Command("data index", "data index OUT/data", kills=12),
    Command("report", "report IN/tracks -o OUT", kills=12),
    Command("style", "style IN/clip.npz IN/clip.wav -o OUT/x.style.json", kills=6),
    Command("render, png", "render IN/clip.npz --size 64 -q -o OUT/x.png", "--light soft", kills=6),
    Command("animate", "animate IN/clip.wav --size 64 -q -o OUT/clip", "--seed 1", kills=9),
    Command("diarize", "diarize IN/clip.wav -q -o OUT/t.json --plot OUT/t.png", "--trust 0", kills=12),
    Command("render, mp4", "render IN/clip.npz --size 64 -q -o OUT/x.mp4", "--light soft", kills=9),
    Command("render, frames", "render IN/clip.npz --size 64 --frames -q -o OUT/x", "--light soft", kills=9),
    Command("train", "train experiment=vertex_decoder data=IN/corpus trainer.run_dir=OUT/run cache=CACHE/train "
            "task.coefficients=8 task.blocks={width:32,condition:8,heads:2,layout:MA,dropout:0.1} task.valid=2 "
            "task.crops=2 task.seconds=0.6 trainer.warmup=10 trainer.pictures=false trainer.steps=6 "
            "trainer.validate_every=2 trainer.minutes_between_checkpoints=0 trainer.accelerator=cpu",
            force="", kills=9, goes_on=True),
    Command("mesh register", "mesh register IN/head.obj -q -o OUT/x.sedface --picture OUT/x.png", kills=6),
    Command("batch", "batch IN/recordings -o OUT --no-video --jobs 1 -q --resume", force="", kills=6, goes_on=True),
    Command("face export", "face export amara -o OUT/x.glb", kills=6),
    Command("face show", "face show amara -o OUT/x.png --size 64", "--light soft", kills=6),
    Command("compare", "compare IN/clip.npz IN/other.npz --size 64 -q -o OUT/x.mp4", "--light soft", kills=6),
    Command("export, glb", "export IN/clip.npz --to glb -q -o OUT", "--fps 12", kills=6),
    Command("stream", "stream IN/clip.wav", force="", kills=6),
    Command("render, webm", "render IN/clip.npz --size 64 -q -o OUT/x.webm", "--light soft", kills=6),
    Command("render, gif", "render IN/clip.npz --size 64 -q -o OUT/x.gif", "--light soft", kills=6),
    Command("animate, frames and formats", "animate IN/clip.wav --size 64 --frames --to usd,npy,keys -q -o OUT/clip",
            "--seed 1", kills=6),
    Command("animate, new head", "animate IN/clip.wav --mesh IN/head.obj --no-video -q -o OUT/clip", "--seed 1",
            kills=6),
    Command("mesh inspect", "mesh inspect IN/head.obj --picture OUT/x.png", kills=3),
)  # fmt: skip
"""All of them."""


@dataclass
class Sandbox:
    """Folders of one command: inputs are shared, results, cache, TMPDIR and working directory are its own."""

    root: Path
    inputs: Path

    def __post_init__(self) -> None:
        for name in ("out", "cache", "tmp", "work", "home"):
            (self.root / name).mkdir(parents=True, exist_ok=True)

    def words(self, text: str) -> list[str]:
        """The arguments of a command."""
        places = {"OUT": self.root / "out", "IN": self.inputs, "CACHE": self.root / "cache",
                  "CHECKPOINTS": ROOT / "checkpoints"}  # fmt: skip
        for word, place in places.items():
            text = text.replace(f"{word}/", f"{place}/").replace(f" {word} ", f" {place} ")
            text = text.removesuffix(f" {word}") + (f" {place}" if text.endswith(f" {word}") else "")
        return text.split()

    def environment(self) -> dict[str, str]:
        """Where the command keeps things."""
        return {
            "HOME": str(self.root / "home"),
            "XDG_CACHE_HOME": str(self.root / "cache"),
            "XDG_STATE_HOME": str(self.root / "home"),
            "TMPDIR": str(self.root / "tmp"),
            "PYTHONPATH": str(ROOT),
            "MPLCONFIGDIR": str(self.inputs / "matplotlib"),
        }

    def empty(self, *names: str) -> None:
        """Remove what is in some of the folders."""
        for name in names:
            shutil.rmtree(self.root / name)
            (self.root / name).mkdir()

    def results(self) -> dict[str, str]:
        """Hashes of the results, without work in progress."""
        found = {}
        for path in sorted((self.root / "out").rglob("*")):
            with suppress(OSError):
                if path.is_file() and not any(part.startswith(".sedtalker-") for part in path.parts):
                    name = str(path.relative_to(self.root / "out"))
                    found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        return found

    def names(self) -> set[str]:
        """Everything that lies anywhere."""
        places = [self.root / name for name in ("out", "cache", "tmp", "work")]
        return {str(path.relative_to(self.root)) for place in places for path in place.rglob("*")}

    def writing(self) -> bool:
        """Whether a command is at its results now."""
        with suppress(OSError):
            for place in (self.root / "out", *(self.root / "out").iterdir()):
                if place.name.startswith(".sedtalker-"):
                    if any((place / "new").iterdir()):
                        return True
                elif place.is_dir() and any((s / "new").exists() for s in place.glob(".sedtalker-*")):
                    return True
        return False


# --- Running a command.


def start(sandbox: Sandbox, words: list[str], fresh: bool) -> Callable[[], int | None]:
    """Start a command; gives a function that asks for its exit code (None: it runs), whose attribute is its number."""
    files = [(sandbox.root / name).open("wb") for name in ("stdout", "stderr")]
    if fresh:
        environment = {**os.environ, **sandbox.environment()}
        process = subprocess.Popen([sys.executable, "-m", "sedtalker", *words], stdout=files[0], stderr=files[1],
                                   stdin=subprocess.DEVNULL, env=environment, cwd=sandbox.root / "work")  # fmt: skip
        for file in files:
            file.close()
        poll = process.poll
        return _Started(process.pid, poll)
    number = os.fork()
    if not number:
        _be(sandbox, words, [file.fileno() for file in files])
    for file in files:
        file.close()

    def ask() -> int | None:
        found, status = os.waitpid(number, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if found else None

    return _Started(number, ask)


class _Started:
    """A process and how to ask for its end; the code is kept."""

    def __init__(self, number: int, ask: Callable[[], int | None]) -> None:
        self.number, self._ask, self._code = number, ask, None

    def __call__(self) -> int | None:
        if self._code is None:
            self._code = self._ask()
        return self._code

    def wait(self, seconds: float = LIMIT) -> int | None:
        deadline = time.monotonic() + seconds
        while self() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        return self()


def _be(sandbox: Sandbox, words: list[str], files: list[int]) -> None:
    """In the fork: become the command."""
    code = 70
    try:
        os.setpgid(0, 0)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(files[0], 1)
        os.dup2(files[1], 2)
        os.environ.update(sandbox.environment())
        os.chdir(sandbox.root / "work")
        tempfile.tempdir = None
        sys.argv = ["sedtalker", *words]
        from sedtalker.cli import run

        try:
            run()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        except KeyboardInterrupt:
            sys.stderr.write("Traceback: KeyboardInterrupt\n")
            code = 130
        import atexit

        sys.stdout.flush()
        atexit._run_exitfuncs()
    except BaseException as error:
        os.write(2, f"Traceback of the harness: {error!r}\n".encode())
    finally:
        os._exit(code)


def run_through(sandbox: Sandbox, words: list[str]) -> tuple[int | None, str, float]:
    """Run a command to its end: exit code, stderr, seconds."""
    began = time.monotonic()
    code = start(sandbox, words, fresh=False).wait()
    return code, (sandbox.root / "stderr").read_text(errors="replace"), time.monotonic() - began


# --- Killing it.


@dataclass
class Row:
    """What the kills of a command left."""

    command: str
    signal: str
    kills: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


def kill_one(command: Command, sandbox: Sandbox, quiet: Quiet, number: int, rng: random.Random) -> tuple[str, str, str]:
    """Start, kill, look: signal, outcome, fault."""
    which = SIGNALS[number % 3]
    old = bool(command.force) and number % 2 == 1
    if not command.goes_on:
        sandbox.empty("out")
    quiet.prepare(sandbox)
    if old:
        shutil.copytree(quiet.old, sandbox.root / "out", dirs_exist_ok=True)
    before = sandbox.results()
    words = quiet.words + (command.force.split() if old else [])
    fresh = number % FRESH == FRESH - 1
    process = start(sandbox, words, fresh)
    began, span = time.monotonic(), quiet.seconds + (quiet.start if fresh else 0.0)
    in_writing = rng.random() < 0.5
    latest = rng.uniform(0.0, 1.0) * span * (0.7 if command.goes_on else 1.02)  # what goes on is faster than at first
    deadline = began + (LIMIT if in_writing and not command.goes_on else latest)
    while process() is None and time.monotonic() < deadline:
        if in_writing and sandbox.writing():
            time.sleep(rng.uniform(0.0, 1.0) * max(quiet.writing, 0.02))
            break
        time.sleep(0.004)
    with suppress(ProcessLookupError):
        if process() is None:
            os.kill(process.number, which)
    code = process.wait()
    said = (sandbox.root / "stderr").read_text(errors="replace").strip()
    outcome, fault = judge(command, sandbox, before, quiet)
    fault = fault or _manners(which, code, said)
    if code == 0:
        outcome = f"ended before, {outcome}"
    return which.name, outcome, fault


def judge(command: Command, sandbox: Sandbox, before: dict[str, str], quiet: Quiet) -> tuple[str, str]:
    """What the results are now."""
    if command.goes_on:
        return _parts(compared(sandbox.results()), compared(quiet.results))
    for attempt in ("", ", finished by the next"):
        now = sandbox.results()
        if now == before:
            return ("old" if len(before) > len(quiet.given) else "absent") + attempt, ""
        if now == quiet.results:
            return "new" + attempt, ""
        from sedtalker.staging import clear_left_over

        for folder in (sandbox.root / "out", *(p for p in (sandbox.root / "out").rglob("*") if p.is_dir())):
            clear_left_over(folder)
    return "mixture", f"a mixture: {sorted(now)}"


UNCOMPARED = (".jsonl", ".ckpt", "events.out", ".lock", "few_clips")
"""Parts of the names of logs, locks and states of a training."""


def compared(results: dict[str, str]) -> dict[str, str]:
    """The results of a command that goes on which must be those of a quiet run."""
    return {name: value for name, value in results.items() if not any(part in name for part in UNCOMPARED)}


def _parts(now: dict[str, str], wanted: dict[str, str]) -> tuple[str, str]:
    """Whether every folder of results is absent or whole."""
    if not now.items() <= wanted.items():
        return "mixture", f"other results: {sorted(now.items() - wanted.items())}"
    folders = {name.rpartition("/")[0] for name in now}
    missing = [name for name in wanted if name.rpartition("/")[0] in folders and name not in now]
    if missing:
        return "mixture", f"missing: {missing}"
    return "whole" if now == wanted else "absent" if not now else "some whole", ""


def _manners(which: signal.Signals, code: int | None, said: str) -> str:
    """What is wrong with how it ended."""
    if code is None:
        return "it hangs"
    if which is signal.SIGKILL or code == 0:
        return ""
    if code == -which:
        return ""  # before Python could say anything
    last = said.splitlines()[-1:]  # before it, notes and steps that were done
    if code != 130 or not last or not last[0].startswith(INTERRUPTED) or "Traceback" in said or said.count(last[0]) > 1:
        return f"code {code}, said {said[-300:]!r}"
    return ""


@dataclass
class Quiet:
    """A command that nobody kills: arguments, what is there before, results, seconds, how long it writes."""

    words: list[str]
    given: dict[str, str]
    results: dict[str, str]
    names: set[str]
    seconds: float
    writing: float
    old: Path
    start: float = 1.0

    def prepare(self, sandbox: Sandbox) -> None:
        """Put there what the command works on in its own folder."""
        if "data" in self.words and "index" in self.words:
            shutil.copytree(sandbox.inputs / "corpora", sandbox.root / "out/data", dirs_exist_ok=True)


def quiet_run(command: Command, sandbox: Sandbox) -> Quiet:
    """Run a command in quiet, twice where it has older results."""
    words = sandbox.words(command.words)
    quiet = Quiet(words, {}, {}, set(), 0.0, 0.05, sandbox.root / "old")
    quiet.prepare(sandbox)
    quiet.given = sandbox.results()
    code, said, _ = run_through(sandbox, words + command.old.split())
    if code != 0:
        raise RuntimeError(f"{command.name}: code {code}: {said}")
    shutil.copytree(sandbox.root / "out", quiet.old)
    if command.force and not command.old:  # other bytes of the same names
        for path in quiet.old.rglob("*"):
            if path.is_file() and str(path.relative_to(quiet.old)) not in quiet.given:
                path.write_bytes(b"old")
                os.utime(path, (1.0, 1.0))
    sandbox.empty("out")
    quiet.prepare(sandbox)
    began, first = time.monotonic(), None
    process = start(sandbox, words, fresh=False)
    while process() is None:
        if first is None and sandbox.writing():
            first = time.monotonic()
        time.sleep(0.004)
    quiet.seconds = time.monotonic() - began
    quiet.writing = 0.05 if first is None else time.monotonic() - first
    if process() != 0:
        raise RuntimeError(f"{command.name}: {(sandbox.root / 'stderr').read_text()}")
    quiet.results, quiet.names = sandbox.results(), sandbox.names()
    return quiet


def killed(command: Command, kills: int, root: Path, inputs: Path, rng: random.Random) -> Iterator[Row]:
    """Kill a command so many times; a row a signal, and one of the runs after the kills."""
    sandbox = Sandbox(root, inputs)
    try:
        quiet = quiet_run(command, sandbox)
    except RuntimeError as error:
        yield Row(command.name, "quiet", faults=[str(error)])
        return
    rows = {number.name: Row(command.name, number.name) for number in SIGNALS}
    after = Row(command.name, "next run")
    cold = command.name in ("animate, new head", "mesh register", "mesh inspect", "face show")
    for number in range(kills):
        if cold and number % 2 == 0:
            sandbox.empty("cache")
        which, outcome, fault = kill_one(command, sandbox, quiet, number, rng)
        row = rows[which]
        row.kills += 1
        row.outcomes[outcome] += 1
        row.faults += [fault] if fault else []
        if number % ROUND == ROUND - 1 or number == kills - 1:
            _next_run(command, sandbox, quiet, after)
    print(f"# {command.name}: {quiet.seconds:.1f} s, of these writing {quiet.writing:.2f} s", file=sys.stderr)
    yield from (*rows.values(), after)


def _next_run(command: Command, sandbox: Sandbox, quiet: Quiet, after: Row) -> None:
    """The run after the kills: nothing but its results may be there."""
    if not command.goes_on and not command.force:  # it replaces nothing: what is there must go first, but for leftovers
        for name in {name.partition("/")[0] for name in quiet.results}:
            shutil.rmtree(sandbox.root / "out" / name, ignore_errors=True)
    quiet.prepare(sandbox)
    after.kills += 1
    code, said, _ = run_through(sandbox, quiet.words + command.force.split())
    left = {name for name in sandbox.names() - quiet.names if "events.out" not in name}  # named by the second
    now, wanted = sandbox.results(), quiet.results
    if command.goes_on:
        now, wanted = compared(now), compared(wanted)
    if code != 0:
        after.faults.append(f"code {code}: {said[-300:]}")
    elif now != wanted:
        after.faults.append(f"other results: {sorted(now.items() ^ wanted.items())}")
    if left:
        after.faults.append(f"left: {sorted(left)}")
    after.outcomes["faults" if after.faults else "as in quiet, nothing left"] += 1
    if command.goes_on:
        sandbox.empty("out", "cache")


# --- What the commands work on.


def make_inputs(folder: Path) -> None:
    """A second of speech, animations of it, weights, recordings, tracks, a corpus, a finished run."""
    import soundfile
    import torch
    from safetensors.torch import load_file

    (folder / "matplotlib").mkdir(parents=True)
    samples, rate = soundfile.read(SAMPLE, dtype="float32")
    soundfile.write(folder / "clip.wav", samples[3 * rate : 4 * rate], rate)
    shutil.copyfile(HEAD, folder / "head.obj")
    (folder / "recordings").mkdir()
    for name, first in (("a", 3.0), ("b", 5.0)):
        soundfile.write(folder / f"recordings/{name}.wav", samples[int(first * rate) : int((first + 0.5) * rate)], rate)
    torch.save(load_file(ROOT / "checkpoints/emotion_encoder/model.safetensors"), folder / "w.pt")
    (folder / "corpora/audio/ravdess/Actor_01").mkdir(parents=True)
    for k in range(1, 5):
        name = f"03-01-0{k}-01-01-01-01.wav"
        soundfile.write(folder / "corpora/audio/ravdess/Actor_01" / name, samples[: rate // 2], rate)
    from sedtalker.training.corpora.meshes.check import ExampleSize, write_example

    size = ExampleSize(takes=2, emotions=("Smile2", "Sad1"), steps=(3,), seconds=1.6)
    write_example(folder / "corpus", SAMPLE, size)
    run = folder / "run"
    shutil.copytree(ROOT / "checkpoints/emotion_encoder", run / "export")
    (run / "config.json").write_text(json.dumps({"task": {}, "trainer": {"steps": 1}}))
    (run / "log.jsonl").write_text(json.dumps({"kind": "valid", "step": 1, "score": 0.5}) + "\n")
    made = Sandbox(folder / "made", folder)
    for name, more in (("clip", []), ("other", ["--seed", "1"])):
        code, said, _ = run_through(made, [*"animate IN/clip.wav --no-video -q -o OUT".replace(
            "IN/", f"{folder}/").replace("OUT", str(folder / "made" / name)).split(), *more])  # fmt: skip
        if code:
            raise SystemExit(said)
        shutil.copyfile(folder / "made" / name / "clip.npz", folder / f"{name}.npz")
    (folder / "tracks").mkdir()
    shutil.copyfile(folder / "made/clip/clip.emotion.json", folder / "tracks/clip.emotion.json")


def main() -> None:
    """Kill them all and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, help="of all commands together, about; default: those of the table, 300")
    parser.add_argument("--only", default="", help="commands whose name begins so, or so, by |")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if sys.platform == "win32":
        raise SystemExit("POSIX signals are needed")
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets its background jobs ignore it
    import sedtalker.cli.main  # noqa: F401 - what the forks need is imported once

    for module in ("torch", "scipy.signal", "matplotlib.figure", "av", "PIL.Image", "soundfile", "numba", "igl",
                   "sedtalker.animation.animator", "sedtalker.emotion.diarizer", "sedtalker.render.video"):  # fmt: skip
        __import__(module)
    import torch

    torch.set_num_threads(1)
    begin = tuple(options.only.split("|"))
    chosen = [command for command in COMMANDS if command.name.startswith(begin) and command.kills]
    share = 1.0 if options.kills is None else options.kills / sum(command.kills for command in chosen)
    rows: list[Row] = []
    name = tempfile.mkdtemp(prefix="kills-")  # no TemporaryDirectory, which the forks would remove at their end
    try:
        make_inputs(Path(name) / "in")
        for number, command in enumerate(chosen):
            rng = random.Random(f"{options.seed} {command.name}")
            kills, place = max(3, round(share * command.kills)), Path(name) / str(number)
            for row in killed(command, kills, place, Path(name) / "in", rng):
                rows.append(row)
                outcomes = ", ".join(f"{count} {outcome}" for outcome, count in sorted(row.outcomes.items()))
                print(f"| {row.command} | {row.signal} | {row.kills} | {outcomes} | {'; '.join(row.faults) or '-'} |")
                sys.stdout.flush()
            shutil.rmtree(place, ignore_errors=True)
            if options.json:
                options.json.write_text(json.dumps([vars(row) for row in rows], indent=1) + "\n")
    finally:
        shutil.rmtree(name, ignore_errors=True)
    kills = sum(row.kills for row in rows if row.signal in SIGNAL_NAMES)
    faults = sum(len(row.faults) for row in rows)
    late = sum(count for row in rows for name, count in row.outcomes.items() if name.startswith("ended before"))
    runs = sum(row.kills for row in rows) - kills
    print(f"{kills} kills, {late} of them after the end of the command, {runs} runs after them, {faults} faults")


if __name__ == "__main__":
    main()
