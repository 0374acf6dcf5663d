"""A worker of a pool that needs no networks: the audio's text says what happens; its result is that text."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import time
from pathlib import Path


def say(message: dict[str, object]) -> None:
    print(json.dumps(message), flush=True)


def work(task: dict[str, object]) -> dict[str, object]:
    audio, folder = Path(str(task["audio"])), Path(str(task["folder"]))
    text = audio.read_text()
    before, sha256 = task["before"], hashlib.sha256(text.encode()).hexdigest()
    if before is not None and before["outputs"] == {"result": sha256}:
        return {"state": "kept", "outputs": before["outputs"], "duration": 1.0, "seconds": 0.0}
    say({"started": True})
    folder.mkdir(parents=True, exist_ok=True)
    if text == "wrong":
        return {"state": "failed", "error": f"{audio}: wrong", "seconds": 0.0}
    if text == "kill" or (text == "kill once" and not (folder / "killed").exists()):
        (folder / "killed").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if text.startswith("sleep"):
        time.sleep(float(text.split()[1]))
    (folder / "result").write_text(text)
    return {"state": "done", "outputs": {"result": sha256}, "duration": 1.0, "seconds": 0.0, "pid": os.getpid()}


for line in sys.stdin:
    message = json.loads(line)
    if "prepare" in message:
        wrong = any(settings["face"] == "wrong" for settings in message["prepare"])
        say({"record": {"error": "no such face"} if wrong else {"notes": ["a note"]}})
    else:
        say({"record": work(message["task"])})
