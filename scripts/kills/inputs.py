"""What the commands work on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from kills.sandbox import ROOT, Sandbox, run_through

SAMPLE, HEAD = ROOT / "data/samples/four_moods.wav", ROOT / "data/samples/head.obj"


def make_inputs(folder: Path) -> None:
    """A second of speech, animations of it, weights, recordings, a corpus, a finished run."""
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
    (folder / "voices").mkdir()
    for k in range(6):  # of one mood and alike, or adaptation refuses them
        first = int((3.0 + 0.25 * k) * rate)
        soundfile.write(folder / f"voices/{k}.wav", samples[first : first + 3 * rate // 2], rate)
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
