"""Write the figures of adaptation in ``docs/diarizer.md`` and ``docs/cross-corpus.md``; nothing is measured here.

python scripts/measure.py adaptation --data DIR --clips 200 --json | tee docs/adaptation.json
python scripts/measure.py nova-arc --data DIR --clips 200 --json | tee docs/nova_arc.json
python scripts/measure.py nova-arc --data DIR --clips 150 --source emogator --json | tee docs/nova_arc_bursts.json
python scripts/measure.py sere --data DIR --clips 200 --json | tee docs/sere.json
python scripts/measure.py sere --data DIR --clips 200 --model whisper-base --json | tee docs/sere_whisper.json
sedtalker evaluate few --data DIR --plot docs/images/few.png --json | tee docs/few.json
sedtalker evaluate few --data DIR --model whisper-base --clips 12 --json | tee docs/few_whisper.json
python scripts/make_adaptation.py
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from measured_page import write_between_marks
from measures.adaptation import adaptation_table, corpora_of
from measures.nova_arc import nova_arc_table
from measures.sere import resonance_table

from sedtalker.emotion.adaptation import METHODS
from sedtalker.emotion.plot import write_figure
from sedtalker.training.evaluation.few import few_table, plot_few

ROOT = Path(__file__).parents[1]
"""Root of the repository."""
TARGETS = ("ravdess", "nemo", "tess", "emotiontts_ko", "uem_es", "aesdd")
"""Corpora of whole sentences or carrier phrases in five languages, whose gain is given apart from that of all."""


def between(metrics: Mapping[str, float], key: str, digits: int = 3, sign: str = "") -> str:
    """A figure's interval in words."""
    return f"{metrics[f'{key}_low']:{sign}.{digits}f} to {metrics[f'{key}_high']:{sign}.{digits}f}"


def text(metrics: Mapping[str, float]) -> str:
    """What stands between the marks: a sentence, the table and the plot."""
    gain = metrics["adapt_gain"]
    mistaken, less = (metrics[f"{key}_angry_as_happy"] for key in ("source", "adapted"))
    there = [metrics[f"adapt_gain_{name}"] for name in TARGETS if f"adapt_gain_{name}" in metrics]
    return (
        f"The mean recall goes from {metrics['source_uar']:.3f} to {metrics['adapted_uar']:.3f}: a gain of {gain:.3f} "
        f"(95 % interval {between(metrics, 'adapt_gain')}, speakers and clips\nresampled; "
        f"{between(metrics, 'adapt_gain_over_corpora')} where the corpora are), "
        f"{metrics['adapt_gain_worst']:+.3f} on the worst corpus. "
        f"Without the single words of `indian_emospeech`:\n{sum(there) / len(there):+.3f}. "
        f"Moving the mean alone gains {metrics['gain_mean']:.3f} ({between(metrics, 'gain_mean')}), "
        f"self-training after both {metrics['gain_pseudo']:.3f} ({between(metrics, 'gain_pseudo')}).\n"
        f"Where all seven categories may be answered: {metrics['source_seven']:.3f} before, "
        f"{metrics['adapted_seven']:.3f} after.\nAngry clips called happy: {mistaken:.0%} before, {less:.0%} after.\n\n"
        f"{adaptation_table(metrics)}\n"
        f"95 % intervals of the gain by `norm`: {gains(metrics)}.\n\n"
        "![Recall of each corpus: as it is, and adapted by each method](images/adaptation.png)\n"
    )


def gains(metrics: Mapping[str, float]) -> str:
    """The interval of the gain on each corpus."""
    each = [
        f"{name} {metrics[f'adapt_gain_low_{name}']:+.2f} to {metrics[f'adapt_gain_high_{name}']:+.2f}"
        for name in corpora_of(metrics)
    ]
    return ", ".join(each)


def few_text(metrics: Mapping[str, float], larger: Mapping[str, float]) -> str:
    """What stands between the marks of learning from labels."""
    gains = {key: metrics[f"few_gain_{key}"] for key in ("same_1", "same_2", "same_5", "others_5")}
    side = "below" if metrics["estimate_bias"] < 0 else "above"
    return (
        "On seven corpora, six of which the weights were never trained on, five labelled recordings of each category "
        f"raise\nthe mean recall on other recordings of the same speaker by {gains['same_5']:.2f} (95 % interval "
        f"{between(metrics, 'few_gain_same_5', 2)},\nworst corpus {metrics['few_gain_same_5_worst']:+.2f}), two by "
        f"{gains['same_2']:.2f}, one by {gains['same_1']:.2f}. On other speakers of the corpus five gain "
        f"{gains['others_5']:.2f}\n({between(metrics, 'few_gain_others_5', 2)}, worst corpus "
        f"{metrics['few_gain_others_5_worst']:+.2f}). Where six segments of thirty are corrected, "
        f"{metrics['corrected_gain_any']:.2f} more of the others are right,\n{metrics['corrected_gain_wrong']:.2f} "
        f"more where all six had been wrong. The gain that the command reports is on average "
        f"{abs(metrics['estimate_bias']):.2f} {side} the real one,\nand off by {metrics['estimate_error']:.2f} for a "
        f"single speaker. With whisper-base five labels gain {larger['few_gain_same_5']:.2f} and "
        f"{larger['few_gain_others_5']:.2f}, to recalls of\n{larger['few_same_5']:.2f} and "
        f"{larger['few_others_5']:.2f}.\n\n{few_table(metrics)}\n"
        "![Recall by the number of labelled recordings of each category](images/few.png)\n"
    )


def nova_arc_text(metrics: Mapping[str, float]) -> str:
    """What stands between the marks of NOVA-ARC."""
    return (
        f"Source alone {metrics['nova_source']:.3f}. With the target in flat space {metrics['nova_gain_flat']:+.3f}, "
        f"in the ball {metrics['nova_gain_ball']:+.3f}. Without any transport,\nfrom nothing but frames normalised by "
        f"the target's mean and deviation: {metrics['nova_gain_normed']:+.3f} with the source's network, "
        f"{metrics['nova_gain_linear']:+.3f} with a\nlinear head. Both, transport of normalised frames: "
        f"{metrics['nova_gain_normed_flat']:+.3f} in flat space, {metrics['nova_gain_normed_ball']:+.3f} in the ball.\n"
        f"The ball over its flat twin: {metrics['nova_ball_over_flat']:+.3f} (95 % interval over corpora "
        f"{between(metrics, 'nova_ball_over_flat', sign='+')}), with frames normalised "
        f"{metrics['nova_normed_ball_over_normed_flat']:+.3f}\n"
        f"({between(metrics, 'nova_normed_ball_over_normed_flat', sign='+')}). Transport over normalised frames alone: "
        f"{metrics['nova_normed_ball_over_normed']:+.3f} "
        f"({between(metrics, 'nova_normed_ball_over_normed', sign='+')}). {metrics['nova_seeds']:.0f} seeds."
        f"\n\n{nova_arc_table(metrics)}"
    )


def sere_text(metrics: Mapping[str, float], larger: Mapping[str, float]) -> str:
    """What stands between the marks of SERE, for both encoders."""
    return f"{_sere_of(metrics, 'the built-in encoder')}\n{_sere_of(larger, 'whisper-base')}"


def _sere_of(metrics: Mapping[str, float], frames: str) -> str:
    return (
        f"Frames of {frames}. "
        f"Five clips a category: {metrics['sere_uar']:.3f} (95 % interval over tasks {between(metrics, 'sere_uar')}, "
        f"{metrics['sere_draws']:.0f} draws each); the nearest mean of the same clips\n{metrics['nearest_uar']:.3f} "
        f"({between(metrics, 'nearest_uar')}), a linear head on them {metrics['linear_uar']:.3f} "
        f"({between(metrics, 'linear_uar')}). SERE less the nearest mean: {metrics['sere_over_nearest']:+.3f}\n"
        f"({between(metrics, 'sere_over_nearest', sign='+')}). Chance is a fourth to a sixth."
        f"\n\n"
        f"{resonance_table(metrics)}"
    )


def plot(metrics: Mapping[str, float], path: Path) -> None:
    """Recall of each corpus as it is and adapted by each method, as bars."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = corpora_of(metrics)
    bars = {"as it is": "", **{method: f"gain_{method}" for method in METHODS}}
    figure, axis = pyplot.subplots(figsize=(8, 3.2), layout="constrained")
    for k, ((label, key), colour) in enumerate(
        zip(bars.items(), ("#b8bec6", "#a9c6e3", "#2b6cb0", "#d69e2e"), strict=True)
    ):
        places = [i + 0.21 * (k - 1.5) for i in range(len(names))]
        heights = [metrics[f"source_uar_{name}"] + (metrics[f"{key}_{name}"] if key else 0.0) for name in names]
        axis.bar(places, heights, 0.2, label=label, color=colour)
    axis.set_xticks(range(len(names)), [name.replace("_", "\n") for name in names])
    axis.set_ylabel("mean recall, own categories")
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, ncols=4, loc="upper center", bbox_to_anchor=(0.5, 1.16))
    write_figure(figure, path)


def main() -> None:
    """Write the pages and the plot."""
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (ROOT / "docs").glob("*.json")}
    pages = {
        "adaptation": ("diarizer", lambda: text(found["adaptation"])),
        "few": ("diarizer", lambda: few_text(found["few"], found["few_whisper"])),
        "nova_arc": ("cross-corpus", lambda: nova_arc_text(found["nova_arc"])),
        "nova_arc_bursts": ("cross-corpus", lambda: nova_arc_text(found["nova_arc_bursts"])),
        "sere": ("cross-corpus", lambda: sere_text(found["sere"], found["sere_whisper"])),
    }
    for name, (page, made) in pages.items():
        if (name in found and f"{name}_whisper" in found) or (name not in ("few", "sere") and name in found):
            write_between_marks(ROOT / f"docs/{page}.md", name, made())
    plot(found["adaptation"], ROOT / "docs/images/adaptation.png")
    if "few" in found:
        plot_few(found["few"], ROOT / "docs/images/few.png")


if __name__ == "__main__":
    main()
