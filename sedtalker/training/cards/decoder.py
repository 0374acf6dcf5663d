"""The model card that is written beside the weights of the encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sedtalker.animation.vertex_decoder import VertexDecoderConfig
from sedtalker.training.corpora.sequences import MeshSequence, SequenceCorpus

SPEECH_ENCODER_CARD = """# Built-in speech encoder

Log-mels in, a 192-dimensional vector every 20 ms out; phone posteriors as a by-product. The diarizer is a head on it;
the decoder is another. 1.2 M parameters: a stride-2 convolution and six residual dilated
convolutions, receptive field ±0.8 s, non-causal.

## Training
One run of `sedtalker train experiment=speech_encoder`, three objectives at once:

- tracked mouth motion (lip features and blend shape weights) of GRID talker s1, 780 sentences;
- 40 phone classes from forced alignment (pocketsphinx) on GRID, speechocean762 and LJ Speech;
- log energy, pitch, voicing and spectral tilt on these, LibriSpeech and EmoGator.

Augmented by speed (×0.8–1.25, so pitch and formants move), band-axis warp ±15 %, tempo, SpecAugment, room responses,
equalisation and environmental noise (ESC-10).

## Held-out figures
| figure | value |
|---|---|
| inner-lip height, mean correlation per sentence, same talker, speech frames | {lip_r} |
| inner-lip width, same | {width_r} |
| jaw opening of an unseen Mandarin talker (FACEGOOD, not trained on) | {unseen_r} |
| phone frame accuracy, unseen speakers (speechocean762, validation) | {phones} |
| phone frame accuracy, GRID validation sentences | {phones_tracked} |

## Licence
CC BY 4.0: trained on GRID (Cooke, Barker, Cunningham and Shao 2006), LibriSpeech (Panayotov et al. 2015) and
speechocean762 (Zhang et al. 2021), all CC BY 4.0, LJ Speech (public domain) and EmoGator (Buhl 2023, Apache-2.0). The
licence of GRID was read from derivative data sets rather than from its own site.

## Uses and limits
For the heads of this package. Mouth motion was seen from one male British English talker reading six-word commands;
phones from read English, much of it by Mandarin speakers. Other languages, children, whispering, singing and overlapped
speech are untested or weak. It is not a speech recogniser and carries no text.
"""


# --- The model card that is written beside the weights of an ear.

EAR_CARD = """# An ear for a decoder

Log-mels in, 50 frames a second; the coefficients of the talking mouth and phones out, both linear in a hidden vector.
`sedtalker checkpoint ears` gives it to a decoder.

## Training
One run of `sedtalker train experiment=ear`: the mouth of GRID talker s1, 780 sentences tracked on video (sound and
picture brought in step, both sides averaged, the rest pose removed, lip gap and width restored as tracked), in other
voices for a share of the time (WORLD: pitch and formants changed apart); 40 phone classes from forced alignment
(pocketsphinx) on GRID, speechocean762 and LJ Speech. Augmented by speed, band-axis warp, tempo, SpecAugment, room
responses, equalisation and environmental noise (ESC-10).

## Held-out figures
| figure | value |
|---|---|
| inner-lip height, mean correlation per GRID validation sentence, speech frames | {lip_r} |
| inner-lip width, same | {width_r} |
| closures on p, b, m: recall | {closure_recall} |
| open vowels falsely closed | {closure_false} |
| closures on p, b, m of unseen speakers (speechocean762, phones aligned, lips untracked): recall | {unseen_closure} |
| their open vowels falsely closed | {unseen_false} |
| inner-lip height of a Mandarin talker never trained on (FACEGOOD, five takes), speech frames | {stranger_r} |
| the same, pauses included | {stranger_r_all} |
| phone frame accuracy, unseen speakers | {phones} |

## Licence
CC BY 4.0: trained on GRID (Cooke, Barker, Cunningham and Shao 2006; the licence was read from derivative data sets) and
speechocean762 (Zhang et al. 2021), both CC BY 4.0, and LJ Speech (public domain).

## Uses and limits
A part of a decoder with ears. Mouth motion was seen from one male British English talker.
"""


def ear_card(metrics: Mapping[str, float]) -> str:
    """The card of an ear with these held-out figures."""
    return EAR_CARD.format(**{name: f"{value:.3f}" for name, value in metrics.items()})


# --- The model card that is written beside the decoder's weights.

DECODER_CARD = """# {title}

Speech features and a dense emotion track in, coefficients of the 52 ARKit shapes out, 50 frames a second.
Mamba blocks and local attention (MMAMMA, width 128), adaptive norms driven frame by frame by the mixture of category
embeddings × intensity and by a style code (articulation, rounding, dynamics, crispness). It reads the built-in speech
encoder, frozen. {look_ahead}

## Training
{runs}
The mouth is learned from real motion: 780 sentences of GRID talker
s1, tracked on video (sound and picture brought in step, both sides averaged, the rest pose removed, lip gap and width
restored exactly as tracked). So
that other voices move the lips as far, a small network taught by that talker turns the aligned phones of read speech
(speechocean762, LJ Speech) into motion, opened a little more where the voice is louder: learned habits of one talker
on many voices, not measurements of those speakers; their lip width is averaged with a rule of dominance functions.
Half of the tracked crops are heard in another voice (WORLD: pitch and formants changed apart). There is no free
recording of emotional talking faces, so the expressions are **constructed**: action-unit prototypes with strengths of
our own, plus the published average differences of 24 actors (RAVDESS), composed with the talking mouth under random
tracks whose emotion changes inside the clip; loud voices get another variant of an expression than soft ones, brows
follow pitch accents, the tongue tip shows in "th". Crops are swapped: the same speech under two emotions must differ
in the lips as its targets do, the same emotion over two sentences in the upper face. Where the talker closes the lips
(p, b, m), touches the teeth (f, v) or rounds, the expression gives way. Noise and silence are trained to a resting
mouth. Blinks, gaze and head motion are not learned here.

## Held-out figures (validation sentences, the built-in face)
| figure | value |
|---|---|
| inner-lip height, mean correlation per sentence, neutral track, speech frames | {lip_r} |
| inner-lip width, same | {width_r} |
| closures on p, b, m: recall | {closure_recall} |
| open vowels falsely closed | {closure_false} |
| closure F1 | {closure_f1} |
| closures on p, b, m of unseen speakers (speechocean762, phones aligned, lips untracked): recall | {unseen_closure} |
| their open vowels falsely closed | {unseen_false} |
| coefficient error under random emotion tracks, RMS | {emotional_rmse} |

`sedtalker evaluate decoder` measures the test sentences, an unseen Mandarin talker, and the controls. On that unseen
talker, pauses included, loudness alone predicts the lips better than this decoder does: his rig moves with loudness.

## Licence
CC BY 4.0, as GRID (Cooke, Barker, Cunningham and Shao 2006; the licence was read from derivative data sets) and
speechocean762 (Zhang et al. 2021). Of RAVDESS (Livingstone and Russo 2018) only averaged measurements were used, no
recording.

## Uses and limits
Animating faces from speech, as a preview or a first pass that an animator edits. One male British English talker
taught all mouth motion: other talkers' habits, other languages, shouting, singing, laughter and crying are weaker, and
on unseen voices the amplitude tends to be cautious. Expressions are conventional and even on both sides; they show what
the track says is *expressed*, never what a person feels. Not for judging people.
"""

RUNS = (
    "One run of `sedtalker train experiment=decoder`.",
    "A run of `sedtalker train experiment=decoder`, then a short one of `experiment=decoder_closures`.",
)
LOOK_AHEAD = "Its attention sees {seconds:.2f} s beyond a frame."
CAUSAL = """Its blocks look at nothing that comes later: `sedtalker stream` runs it while somebody
speaks. It was trained on from the built-in decoder (`task.start=DIR task.model.future=0`)."""
TITLES = ("Built-in streaming decoder", "Built-in decoder")
"""Without and with a look-ahead."""


def decoder_card(look_ahead: float | None, closures: bool, metrics: Mapping[str, float]) -> str:
    """The card of a decoder whose blocks look so many seconds ahead (None: at the whole recording).

    ``closures``: it went on from another, to learn to close lips.
    """
    told = "" if look_ahead is None else LOOK_AHEAD.format(seconds=look_ahead) if look_ahead else CAUSAL
    words = {"title": TITLES[look_ahead is None or look_ahead > 0], "look_ahead": told, "runs": RUNS[closures]}
    return DECODER_CARD.format(**words, **{name: f"{value:.3f}" for name, value in metrics.items()})


# --- The model card that is written beside a vertex decoder's weights.

VERTEX_DECODER_CARD = """# Vertex decoder trained on {name}

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
    return VERTEX_DECODER_CARD.format(
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
