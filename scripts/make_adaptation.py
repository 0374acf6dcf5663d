"""Write the figures of adaptation in ``docs/diarizer.md`` and ``docs/cross-corpus.md``; nothing is measured here.

python scripts/measure.py adaptation --data DIR --clips 200 --json | tee docs/adaptation.json
python scripts/measure.py nova-arc --data DIR --clips 200 --json | tee docs/nova_arc.json
python scripts/measure.py sere --data DIR --clips 200 --json | tee docs/sere.json
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


def sere_text(metrics: Mapping[str, float]) -> str:
    """What stands between the marks of SERE."""
    return (
        f"Five clips a category: {metrics['sere_uar']:.3f} (95 % interval over tasks {between(metrics, 'sere_uar')}, "
        f"{metrics['sere_draws']:.0f} draws each); the nearest mean of the same clips\n{metrics['nearest_uar']:.3f} "
        f"({between(metrics, 'nearest_uar')}), a linear head on them {metrics['linear_uar']:.3f} "
        f"({between(metrics, 'linear_uar')}). SERE less the nearest mean: {metrics['sere_over_nearest']:+.3f}\n"
        f"({between(metrics, 'sere_over_nearest', sign='+')}). Chance is a fourth to a sixth. "
        f"`mean_pooling` and `no_neighbours` are the method without its field and without the loss among "
        f"unlabelled clips.\n\n"
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
    """Write the page and the plot; a part whose file is not there stays as it is."""
    for name, page, made in (
        ("adaptation", "diarizer", text),
        ("nova_arc", "cross-corpus", nova_arc_text),
        ("sere", "cross-corpus", sere_text),
    ):
        source = ROOT / f"docs/{name}.json"
        if source.is_file():
            figures = json.loads(source.read_text(encoding="utf-8"))
            write_between_marks(ROOT / f"docs/{page}.md", name, made(figures))
    plot(json.loads((ROOT / "docs/adaptation.json").read_text(encoding="utf-8")), ROOT / "docs/images/adaptation.png")


if __name__ == "__main__":
    main()
