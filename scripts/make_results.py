"""Measure the built-in weights and write ``docs/results.md``.

python scripts/make_results.py --data DIR      # about ten minutes on two cores
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from sedtalker.datasets.manifest import find_data
from sedtalker.training.evaluate_decoder import evaluate_decoder
from sedtalker.training.evaluate_diarizer import evaluate_diarizer

OUTPUT = Path(__file__).parents[1] / "docs" / "results.md"

DIARIZER = {
    "uar_ravdess": "unweighted average recall, RAVDESS test actors, 7 categories (chance 0.14)",
    "macro_f1": "macro-F1 over the clips of RAVDESS, nEMO and EmotionTTS-KO test speakers",
    "ece": "expected calibration error on the same clips",
    "intensity_auc": "strong against normal within each emotion of RAVDESS, by the learned intensity",
    "confidence_auc": "control: the same, by the classifier's confidence",
    "eder7": "emotion diarization error rate on joined test clips, 7 categories, silence counted",
    "eder7_speech": "the same over speech only",
    "eder7_neutral": "control: all speech called neutral",
    "eder4": "the same joined clips with neutral, happy, sad and angry alone",
    "eder4_speech": "the same over speech only",
    "eder4_neutral": "control: all speech called neutral",
}
DECODER = {
    "lip_r": "inner-lip height, mean correlation per GRID test sentence, speech frames",
    "lip_r_shuffled": "control: the motion of another sentence",
    "lip_r_energy": "control: log energy in the place of the lips",
    "width_r": "inner-lip width, same sentences",
    "lip_r_unseen": "inner-lip height on a Mandarin speaker never heard (facegood 1114_3_15)",
    "lip_r_unseen_energy": "control: log energy",
    "lip_r_unseen_shuffled": "control: the motion half a take away",
    "closure_f1": "lips closed on p, b, m and open on vowels, F1",
    "closure_recall_worst_emotion": "share of p, b, m closed under the worst emotion at full intensity",
    "controllability": "share of clip × emotion whose landmark measure moves the right way and grows with intensity",
}


def table(described: Mapping[str, str], figures: Mapping[str, float]) -> str:
    """The described figures first, the rest below them."""
    rows = ["| key | value | what it is |", "|---|---|---|"]
    rows += [f"| `{key}` | {figures[key]:.3f} | {text} |" for key, text in described.items() if key in figures]
    others = [f"`{key}` {value:.4g}" for key, value in figures.items() if key not in described]
    return "\n".join(rows) + "\n\nAlso measured: " + ", ".join(others) + ".\n"


def main() -> None:
    """Run both evaluations and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    data = find_data(parser.parse_args().data)
    diarizer = evaluate_diarizer(data, report=lambda line: print(line, file=sys.stderr))
    decoder = evaluate_decoder(data)
    OUTPUT.write_text(
        "# Results\n\nWritten by `python scripts/make_results.py --data DIR`. Test speakers and sentences were "
        "never trained on;\nchoices were made on validation speakers. The docstrings of the evaluation functions "
        "define every key.\n\n"
        "## Diarizer\n`sedtalker evaluate diarizer --data DIR --json`\n\n"
        + table(DIARIZER, diarizer)
        + "\n## Decoder\n`sedtalker evaluate decoder --data DIR --json`\n\n"
        + table(DECODER, decoder),
        encoding="utf-8",
    )
    print(OUTPUT)


if __name__ == "__main__":
    main()
