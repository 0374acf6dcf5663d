"""The model card that is written beside a vertex decoder's weights."""

from __future__ import annotations

from collections.abc import Sequence

from sedtalker.datasets.sequences import MeshSequence, SequenceCorpus
from sedtalker.training.vertex_decoder_network import VertexDecoderConfig

CARD = """# Vertex decoder trained on {name}

Speech features and a dense emotion in, {vertices} vertices a frame out, through a basis of {coefficients} shapes that
started from the principal components of the training motion ({kept:.1%} of its variance) and was learned.

Trained by `sedtalker train experiment=vertex_decoder` on {training} sequences of {subjects} subjects
({words}). Scored on {valid} sequences of the validation split.

| figure | this decoder | static face | other speech |
|---|---|---|---|
{figures}

MVE is in mm, LVE and EVE in mm², FDD in mm (blind to the order of frames). `score` is the share of squared motion that
is explained: {score:.3f}.

## Licence
{licence}

## Uses and limits
It moves faces of this one topology. Emotions are words of the corpus, as its makers made them; they show what is to be
*expressed*, never what a person feels. A corpus of few subjects teaches their habits.
"""


def vertex_decoder_card(
    corpus: SequenceCorpus,
    training: Sequence[MeshSequence],
    valid: Sequence[MeshSequence],
    kept: float,
    config: VertexDecoderConfig,
    metrics: dict[str, float],
) -> str:
    """The card of a finished run."""
    lines = []
    for name in ("mve_mm", "lve_mm2", "eve_mm2", "fdd_mm"):
        if name in metrics:
            values = (metrics.get(prefix + name) for prefix in ("", "static_", "shuffled_"))
            lines.append(f"| {name} | " + " | ".join("–" if v is None else f"{v:.3f}" for v in values) + " |")
    return CARD.format(
        name=corpus.name,
        vertices=config.vertices,
        coefficients=config.coefficients,
        kept=kept,
        training=len(training),
        subjects=len({s.subject for s in training}),
        words=", ".join(corpus.labels) or "neutral talk",
        valid=len(valid),
        figures="\n".join(lines),
        score=metrics.get("score", float("nan")),
        licence=corpus.licence,
    )
