"""Kill ``sedtalker batch`` at random, resume it, and compare with a run that nobody disturbed.

    python scripts/measure_batch.py --files 200 --kills 5 --out build/batch

Clips of one second are cut from the sample recording. One run is left alone; another is ended at random times by
SIGINT, SIGTERM or SIGKILL and resumed each time. All results must be the same, no finished file may be done twice, and
nothing may be left over. A few files are compared with ``sedtalker animate``.
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
import time
from collections import Counter
from pathlib import Path

from sedtalker.audio import load_audio

SAMPLE = Path(__file__).parents[1] / "data" / "samples" / "four_moods.wav"
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
OPTIONS = ("--no-video", "--only", "npz", "--quiet")


def cut_clips(folder: Path, count: int) -> None:
    """Clips of a second, in folders of fifty."""
    import soundfile

    sound = load_audio(SAMPLE)
    last = len(sound.samples) - sound.rate
    for k in range(count):
        start = round(last * k / max(1, count - 1))
        place = folder / f"part{k // 50}" / f"clip{k:04d}.wav"
        place.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(place, sound.samples[start : start + sound.rate], sound.rate, subtype="FLOAT")


def batch(clips: Path, output: Path, *more: str) -> subprocess.Popen[bytes]:
    """A run that has begun."""
    command = [sys.executable, "-m", "sedtalker", "batch", str(clips), "-o", str(output), *OPTIONS, *more]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def finished(output: Path) -> Counter[str]:
    """How often each recording is logged as done."""
    log = output / "batch.jsonl"
    lines = log.read_bytes().splitlines(keepends=True) if log.exists() else []
    records = [json.loads(line) for line in lines if line.endswith(b"\n")]
    return Counter(record["name"] for record in records if record.get("state") == "done")


def hashes(output: Path) -> dict[str, str]:
    """SHA-256 of every result."""
    files = [p for p in sorted(output.rglob("*")) if p.is_file() and p.parent != output]
    return {p.relative_to(output).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def killed_run(clips: Path, output: Path, files: int, kills: int, jobs: str, seed: int) -> dict[str, object]:
    """Run, end at random, resume, until all is done."""
    chance = random.Random(seed)
    points = sorted(chance.sample(range(1, files), kills))
    began, events = time.perf_counter(), []
    for point in points:
        process = batch(clips, output, "--jobs", jobs, "--resume")
        while process.poll() is None and len(finished(output)) < point:
            time.sleep(0.02)
        time.sleep(chance.uniform(0.0, 1.0))
        ended = chance.choice(SIGNALS)
        process.send_signal(ended)
        code = process.wait()
        events.append({"signal": ended.name, "exit": code, "done": len(finished(output))})
    last = batch(clips, output, "--jobs", jobs, "--resume")
    assert last.wait() == 0
    return {
        "kills": events,
        "seconds": round(time.perf_counter() - began, 1),
        "done_twice": [name for name, count in finished(output).items() if count > 1],
        "left_over": [str(p) for p in output.rglob(".sedtalker-*")],
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--jobs", default="2")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--alone", type=int, default=3, help="files that sedtalker animate does, too")
    parser.add_argument("--out", type=Path, default=Path("build/batch"))
    given = parser.parse_args()
    shutil.rmtree(given.out, ignore_errors=True)
    clips, quiet, killed = given.out / "clips", given.out / "quiet", given.out / "killed"
    cut_clips(clips, given.files)

    began = time.perf_counter()
    assert batch(clips, quiet, "--jobs", given.jobs).wait() == 0
    wanted = hashes(quiet)
    found: dict[str, object] = {
        "files": given.files,
        "results": len(wanted),
        "jobs": int(given.jobs),
        "quiet_seconds": round(time.perf_counter() - began, 1),
        "load": [round(x, 1) for x in os.getloadavg()],
    }
    run = killed_run(clips, killed, given.files, given.kills, given.jobs, given.seed)
    found["killed"] = {**run, "equal": hashes(killed) == wanted}
    began = time.perf_counter()
    assert batch(clips, quiet, "--jobs", given.jobs, "--resume").wait() == 0
    found["nothing_left_to_do_seconds"] = round(time.perf_counter() - began, 1)

    alone = given.out / "alone"
    equal = 0
    for clip in sorted(clips.rglob("*.wav"))[:: max(1, given.files // max(1, given.alone))][: given.alone]:
        name = clip.relative_to(clips).with_suffix("").as_posix()
        subprocess.run(
            [sys.executable, "-m", "sedtalker", "animate", clip, "-o", alone / name, "--no-video", "-q"],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        own = {f"{name}/{key}": value for key, value in hashes_of(alone / name).items()}
        equal += all(own[key] == value for key, value in wanted.items() if key.startswith(f"{name}/"))
    found["equal_to_animate"] = f"{equal} of {given.alone}"

    print(json.dumps(found, indent=2))


def hashes_of(folder: Path) -> dict[str, str]:
    """SHA-256 of the files in a folder, by name."""
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir() if p.is_file()}


if __name__ == "__main__":
    main()
