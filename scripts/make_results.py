"""Measure the built-in weights and write ``docs/results.md``, ``docs/results.json`` and the diarizer's model card.

python scripts/make_results.py --data DIR                                   # everything, about twenty minutes
python scripts/make_results.py --data DIR --parts diarizer --baselines RUN_DIR --seeds DIR DIR
python scripts/make_results.py --parts                                      # write the pages anew, measure nothing

``--baselines RUN_DIR`` also trains and scores the baselines; ``--seeds`` are checkpoint folders of one training with
several seeds: their mean and standard deviation then stand beside the shipped figures. What is not measured this time
is kept from ``docs/results.json``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sedtalker.checkpoint import builtin_checkpoint, read_config
from sedtalker.training.cards.diarizer import diarizer_card
from sedtalker.training.corpora.manifest import find_data
from sedtalker.training.evaluation.decoder import evaluate_decoder, evaluate_speed
from sedtalker.training.evaluation.diarizer import evaluate_diarizer
from sedtalker.training.evaluation.enrolment import evaluate_enrolment

DOCS = Path(__file__).parents[1] / "docs"
PARTS = ("diarizer", "enrolment", "speed", "decoder")

DIARIZER = {
    "uar_ravdess": "unweighted average recall, RAVDESS test actors, 7 categories (chance 0.14)",
    "uar_ravdess_enrolled5": "the same with five other clips of the speaker",
    "uar_nemo": "nEMO, Polish, 6 categories",
    "uar_ko": "EmotionTTS, Korean, 4 categories",
    "uar_tess": "TESS, 7 categories, a corpus never trained on",
    "macro_f1": "macro-F1 over the clips of RAVDESS, nEMO and EmotionTTS-KO test speakers",
    "ece": "expected calibration error on the same clips",
    "baseline_svm": "baseline: functionals and a linear SVM that knows all clips of each speaker; UAR, RAVDESS",
    "intensity_auc": "strong against normal within each emotion of RAVDESS, by the learned intensity",
    "intensity_auc_gain_normalised": "the same, all clips brought to one level first",
    "confidence_auc": "control: the same, by the classifier's confidence",
    "intensity_baved_spearman": "rank correlation with the three levels of BAVED (Arabic), never trained on",
    "eder7": "emotion diarization error rate on joined test clips, 7 categories, silence counted",
    "eder7_speech": "the same over speech only",
    "eder7_neutral": "control: all speech called neutral",
    "baseline_copy": "baseline: the published recipe with our encoder and head; `eder7`",
    "eder4": "joined clips of neutral, happy, sad and angry alone",
    "eder4_speech": "the same over speech only",
    "eder4_neutral": "control: all speech called neutral",
    "baseline_copy_eder4": "baseline: the published recipe; `eder4`",
    "boundary_f1": "changes of emotion found within 0.25 s, F1, joined clips of 7 categories",
    "frame_macro_f1": "macro-F1 of speech frames of the same",
}
SPEED = {
    "real_time": "seconds of audio for each second of one CPU core, an hour at 16 kHz",
    "peak_rss_gb": "peak memory meanwhile, GB",
    "real_time_48k_stereo": "the same for 48 kHz stereo",
    "peak_rss_gb_48k_stereo": "peak memory meanwhile, GB",
}
DECODER = {
    "lip_r": "inner-lip height, mean correlation per GRID test sentence, speech frames",
    "lip_r_shuffled": "control: the motion of another sentence",
    "lip_r_energy": "control: log energy in the place of the lips",
    "lip_width_r": "inner-lip width, same sentences",
    "lip_r_in_step": "height, each recording's sound and picture first brought in step (20 ms apart as recorded)",
    "lip_width_r_in_step": "width, likewise",
    "lip_r_voice_changed": "height, the same sentences in other voices (formants × 0.86 to 1.28, pitch 85 to 260 Hz)",
    "lip_width_r_voice_changed": "width, likewise",
    "lip_r_5db": "height, under pink noise 5 dB below the speech",
    "lip_r_unseen": "height on a Mandarin talker never heard (facegood 1114_3_15), speech frames",
    "lip_r_unseen_energy": "control: log energy",
    "lip_r_unseen_all": "the same, pauses included",
    "lip_r_unseen_energy_all": "control: log energy",
    "closure_rate": "share of p, b, m on which the lips close",
    "false_closure_rate": "share of open vowels that are closed",
    "closure_rate_worst_emotion": "share of p, b, m closed under the worst emotion at full intensity",
    "contact_rate": "share of f and v whose lips come near the teeth",
    "lve_mm2": "open 4D test: largest squared lip error of a frame, mean, mm²",
    "static_lve_mm2": "control: a face that never moves",
    "shuffled_lve_mm2": "control: another recording's audio under the same track",
    "mve_mm": "open 4D test: mean vertex error, mm",
    "static_mve_mm": "control: a face that never moves",
    "shuffled_mve_mm": "control: another recording's audio",
    "eve_mm2": "open 4D test: as LVE, over the upper face",
    "static_eve_mm2": "control: a face that never moves",
    "fdd_mm": "open 4D test: upper-face dynamics deviation, mean of absolute values, mm",
    "static_fdd_mm": "control: a face that never moves",
    "shuffled_fdd_mm": "control: another recording's audio",
    "jerk_ratio": "the lips' jerk over that of the tracked motion",
    "control_accuracy": "share of outputs in which a classifier of the composed faces reads the commanded emotion",
    "intensity_rho": "commanded intensity against how far the face moves that way, Spearman",
    "lip_leak": "change of the lips when only the emotion changes, beyond the reference's own, over the lips' motion",
    "lip_leak_rms": "stricter: RMS of the difference to the reference's change",
    "controllability": "share of emotion × intensity steps whose landmark measure moves the right way",
}
INTRODUCTION = (
    "# Results\n\nWritten by `python scripts/make_results.py --data DIR`. Test speakers and sentences were never "
    "trained on;\nchoices were made on validation speakers, but for one: [what leads the lips](listening.md). The "
    "docstrings of the evaluation functions define every key;\n"
    "[results.json](results.json) holds all of them, with groups, controls and variants that the tables leave out.\n"
)


def table(described: Mapping[str, str], figures: Mapping[str, float], seeds: Sequence[Mapping[str, float]] = ()) -> str:
    """The described figures; mean ± standard deviation over the seeds, if there are any."""
    columns = ["key", "value", *([f"{len(seeds)} seeds"] if seeds else []), "what it is"]
    rows = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    for key, text in described.items():
        if key in figures:
            spread = [_spread([s[key] for s in seeds if key in s])] if seeds else []
            rows.append("| " + " | ".join([f"`{key}`", f"{figures[key]:.3f}", *spread, text]) + " |")
    return "\n".join(rows) + "\n"


def _spread(values: list[float]) -> str:
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""


def page(results: Mapping[str, Any]) -> str:
    """``docs/results.md``."""
    sections = [INTRODUCTION]
    if "diarizer" in results:
        seeds = results.get("diarizer_seeds", [])
        said = "`sedtalker evaluate diarizer --data DIR --json --baselines RUN_DIR`\n\n"
        if seeds:
            said += (
                "Value: the shipped weights, which average several frame networks. Seeds: mean ± standard deviation of "
            )
            said += "diarizers\nwith one frame network each, trained alike from other seeds.\n\n"
        sections.append(f"\n## Diarizer\n{said}{table(DIARIZER, results['diarizer'], seeds)}")
        sections.append("\n![Reliability diagram](../checkpoints/diarizer/calibration.png)\n")
    for part, title, described in (
        ("speed", "Speed and memory of the diarizer", SPEED),
        ("enrolment", "Other recordings of the speaker", {}),
        ("decoder", "Decoder", DECODER),
    ):
        if part in results:
            command = f"`sedtalker evaluate {part} --data DIR --json`"
            shown = described or dict.fromkeys(results[part], "")
            more = "[Other forms of the decoder](decoders.md) at equal size.\n\n" if part == "decoder" else ""
            sections.append(f"\n## {title}\n{command}\n\n{more}{table(shown, results[part])}")
    return "".join(sections)


def measure(arguments: argparse.Namespace, results: dict[str, Any]) -> None:
    """Fill in the parts that were asked for."""
    checkpoint, data = builtin_checkpoint("diarizer"), find_data(arguments.data)

    def diarizer() -> dict[str, float]:
        plot = checkpoint / "calibration.png"
        figures = evaluate_diarizer(
            data, None, plot=plot, baselines=arguments.baselines, cache=arguments.cache, report=say
        )
        if arguments.baselines is None:
            kept = {k: v for k, v in results.get("diarizer", {}).items() if k.startswith("baseline_")}
            figures |= kept
        return figures

    if arguments.seeds:
        results["diarizer_seeds"] = [
            _rounded(evaluate_diarizer(data, folder, report=say)) for folder in arguments.seeds
        ]
    runs: dict[str, Callable[[], dict[str, float]]] = {
        "diarizer": diarizer,
        "enrolment": lambda: evaluate_enrolment(data, report=say),
        "speed": lambda: evaluate_speed(data, report=say),
        "decoder": lambda: evaluate_decoder(data, report=say),
    }
    for part in arguments.parts:
        results[part] = _rounded(runs[part]())
        say(part)


def _rounded(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: round(float(value), 4) for name, value in figures.items()}


def say(line: str) -> None:
    """Progress."""
    print(line, file=sys.stderr)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS, help="what to measure [all]")
    parser.add_argument("--baselines", type=Path, metavar="RUN_DIR", help="train and score the baselines here")
    parser.add_argument("--cache", type=Path, help="features that baselines train on [~/.cache/sedtalker]")
    parser.add_argument("--seeds", type=Path, nargs="*", default=[], help="checkpoint folders of other seeds")
    arguments = parser.parse_args()
    store = DOCS / "results.json"
    results = json.loads(store.read_text(encoding="utf-8")) if store.is_file() else {}
    if arguments.parts or arguments.seeds:
        measure(arguments, results)
    store.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    (DOCS / "results.md").write_text(page(results), encoding="utf-8")
    print(DOCS / "results.md")
    if "diarizer" in results:
        checkpoint = builtin_checkpoint("diarizer")
        card = diarizer_card(read_config(checkpoint), results)
        (checkpoint / "README.md").write_text(card, encoding="utf-8")
        print(checkpoint / "README.md")


if __name__ == "__main__":
    main()
