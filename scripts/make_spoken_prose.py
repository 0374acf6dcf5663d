"""Read speech of many synthetic voices: calm, close to the microphone, lively or not; nobody recorded it.

    python scripts/make_spoken_prose.py --voice-model kokoro.onnx --voices-file voices.npz --out DATA

Text to speech reads more lively than most people do, and the diarizer is often given it, so its intensity learns from
these clips too what no emotion is (``task.calm`` of ``configs/experiment/transfer_diarizer.yaml``). Sentences are put
together from parts, and voices are mixtures of those in the file: the half of a style that makes the sound of a voice
and the half that makes its rhythm and melody (Kokoro-82M, after StyleTTS 2) are mixed apart. One voice is left out of
all mixtures; its clips are the validation split. Writes ``DATA/audio/kokoro/*.ogg`` and their rows of
``DATA/audio/manifest.csv``; made with Kokoro's weights (Apache-2.0), the clips are free for any use.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from sedtalker.audio import SAMPLE_RATE
from sedtalker.phonetics.synthesis import Synthesizer
from sedtalker.storage import temporary_folder

SUBJECTS = (
    "The old harbour, The museum of the town, A narrow path, The first chapter, My neighbour, The committee, "
    "A group of students, The morning train, The report of last year, Her younger brother, The river, The library, "
    "A small bakery, The second edition, The engineer, The garden behind the house, An article in the paper, "
    "The director of the school, The road to the coast, Our next lesson"
).split(", ")
PREDICATES = (
    "opens at nine and closes at five, leads through a quiet valley, was built of stone and timber, "
    "describes how glass is made, has been moved to the other side, will be finished before the winter, "
    "is known for its wooden bridges, explains the meaning of these words, takes about twenty minutes, "
    "belongs to the oldest part of the city, was painted in green and white, begins with a short summary, "
    "carries water from the hills, can be reached on foot, has three rooms and a kitchen, needs a little more time, "
    "was printed on thin paper, lies between two low hills, keeps records of every ship, is open to all visitors"
).split(", ")
ENDINGS = (
    "as the map on the wall shows, and nothing has changed since then, although few people know it, "
    "which surprised the authors of the study, except on the first Monday of the month, "
    "so the work went on as planned, because the bridge was closed for repairs, and that is where we stopped yesterday, "
    "according to the letters that were found, while the rest stayed as it was"
).split(", ")
SHORT = (
    "It is eleven o'clock., Thank you for your call., Please read the second page., There are seven days in a week., "
    "Your order has been received., The meeting is on the third floor., Turn left after the church., "
    "This is a recording., We will begin in a moment., The window faces north."
).split(", ")
SPEEDS = (0.85, 1.2)
SOUND_HALF = 128
"""Columns of a style that make the sound of a voice; the others make its rhythm and melody."""
SPREAD = 0.5
"""Concentration of the Dirichlet distribution of the shares in a mixture: most are near one or two voices."""


def sentence(rng: np.random.Generator) -> str:
    """One or two plain sentences."""
    if rng.random() < 0.15:
        return str(rng.choice(SHORT))
    said = f"{rng.choice(SUBJECTS)} {rng.choice(PREDICATES)}"
    return f"{said}, {rng.choice(ENDINGS)}." if rng.random() < 0.6 else f"{said}."


def mixtures(
    styles: dict[str, NDArray[np.float32]], count: int, rng: np.random.Generator
) -> dict[str, NDArray[np.float32]]:
    """So many voices (T, 1, 256) between those of ``styles``."""
    every = np.stack([*styles.values()])
    made = {}
    for number in range(count):
        sound, melody = rng.dirichlet(np.full(len(every), SPREAD), 2).astype(np.float32)
        mixed = np.tensordot(melody, every, 1)
        mixed[..., :SOUND_HALF] = np.tensordot(sound, every[..., :SOUND_HALF], 1)
        made[f"mixed_{number:03}"] = mixed
    return made


def main() -> None:
    """Speak, and write clips and their rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--voice-model", type=Path, help="an ONNX file of Kokoro; default: the one that was pulled")
    parser.add_argument("--voices-file", type=Path, required=True, help="its voices")
    parser.add_argument("--out", type=Path, required=True, help="a data folder")
    parser.add_argument("--held-out", help="the voice of the validation split; default: the last")
    parser.add_argument("--voices", type=int, default=60, help="mixtures")
    parser.add_argument("--clips", type=int, default=8, help="of each voice; three times as many of the one held out")
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    with np.load(given.voices_file) as held:
        styles = {name: held[name].reshape(-1, 1, held[name].shape[-1]) for name in sorted(held.files)}
    kept = given.held_out or [*styles][-1]
    mixed = mixtures({name: style for name, style in styles.items() if name != kept}, given.voices, rng)
    folder, manifest = given.out / "audio" / "kokoro", given.out / "audio" / "manifest.csv"
    folder.mkdir(parents=True, exist_ok=True)
    todo = [(name, "train") for name in mixed for _ in range(given.clips)] + [(kept, "valid")] * 3 * given.clips
    rows = []
    with temporary_folder() as temporary:
        np.savez(temporary / "voices.npz", **mixed, **{kept: styles[kept]})  # type: ignore[arg-type]
        speaker = Synthesizer(given.voice_model, temporary / "voices.npz")
        for number, (voice, split) in enumerate(todo):
            text, speed = sentence(rng), float(rng.uniform(*SPEEDS))
            spoken = speaker([text], voice, speed)
            samples = soxr.resample(spoken.played.samples, spoken.rate, SAMPLE_RATE)
            name = f"{voice}_{number:04}.ogg"
            soundfile.write(folder / name, samples, SAMPLE_RATE, format="OGG", subtype="OPUS")
            about = {"corpus": "kokoro", "file": name, "language": "en", "speaker": voice, "emotion": "neutral"}
            rows.append(about | {"transcript": text, "duration_s": f"{len(samples) / SAMPLE_RATE:.2f}", "split": split})
    names = "corpus file language speaker gender emotion intensity transcript duration_s split".split()
    known = list(csv.DictReader(manifest.open(encoding="utf-8"))) if manifest.is_file() else []
    with manifest.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names, restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows([row for row in known if row["corpus"] != "kokoro"] + rows)


if __name__ == "__main__":
    main()
