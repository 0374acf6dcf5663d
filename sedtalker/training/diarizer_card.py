"""Model card of a diarizer checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sedtalker.checkpoint import CheckpointConfig
from sedtalker.speech.backbone import PACKED
from sedtalker.training.diarizer_card_figures import test_section

LICENCES = {
    "ravdess": "CC BY-NC-SA 4.0",
    "nemo": "CC BY-NC-SA 4.0",
    "emotiontts_ko": "CC BY-NC-SA 4.0",
    "indian_emospeech": "CC BY-NC-SA 4.0",
    "emogator": "Apache-2.0",
}
CORPORA = {
    "ravdess": (
        "RAVDESS",
        "English (North America)",
        "two sentences by actors, 7 categories in two strengths",
        14,
        0.86,
    ),
    "nemo": ("nEMO", "Polish", "sentences by actors, 6 categories", 6, 1.2),
    "emotiontts_ko": ("EmotionTTS", "Korean", "read sentences, 4 categories", 10, 0.3),
    "indian_emospeech": ("Indian EmoSpeech", "Indian English, Hindi", "prompted single words, 4 categories", 71, 0.65),
    "emogator": ("EmoGator", "none", "vocal bursts, 7 of 30 categories", 90, 0.47),
}
"""Name, language, content, training speakers and hours of labelled training clips."""
NOT_MEASURED = """`sedtalker evaluate diarizer` and `sedtalker evaluate enrolment` measure the test speakers.

"""

TEXT = """# Emotion diarizer

Says for every 20 ms of speech which of seven categories is expressed (neutral, happy, sad, angry, fear, disgust,
surprise), how strongly; valence and arousal follow from both. It is a head on
{encoder}.

- **Licence of the weights: {licence}** — the strictest of the training data's. Not for commercial use. Every other
  part of the package works without it: give a track (`--emotion`), or train on data of your own.
- Model: functionals (mean and deviation over windows of {windows} s) of encoder vectors, log-mels and prosody;
  {members} perceptrons of {width} units; {networks} convolutional networks over frames of log-mels and prosody, which
  also hear where the emotion changes; log-posteriors are averaged; temperature {temperature:.2f}.
- Trained on the corpora below.
- TESS and Deeply Nonverbal were left out (CC BY-NC-ND: no derivatives); TESS serves as an unseen corpus in evaluation.
- Training: `sedtalker train experiment=frame_network` and `experiment=diarizer`. Single clips and recordings joined
  from clips of one speaker, with true boundaries, pauses and cross-fades; voices, rooms, devices and backgrounds
  varied. Calm counts as neutral. Intensity is learned from RAVDESS's normal and strong (ordinal and ranking loss),
  never from confidence; in the other corpora only neutral against emotional is known. Part of the draws know one to
  five other clips of their speaker (any, or neutral ones), the others only the recording itself: both ways of use are
  trained.

{corpora}

{test}## Figures on validation speakers (never trained on, used for choices)

{metrics}

`enrolled_*`: with five other clips of the speaker.

## For what, and for what not

Made to drive the face of an animated character from acted or lively speech, with a track that people check and edit.
The labels say what is *expressed*, as actors were asked to, not what a person feels. It must not be used to judge
people: not in hiring, teaching, policing, health or insurance.

## Where it fails

- It learned from about fifty actors and prompted speakers: English (North American), Polish, Korean, and single words
  in Indian English and Hindi. Other languages, children, old voices and spontaneous speech were never heard, and much
  is lost there.
- Disgust comes from one corpus of speech only and hardly transfers. Sad and neutral, happy and surprise, fear and
  happy are confused most.
- Boundaries were learned and are measured on clips joined by the training script. A mood that changes slowly in one
  breath is not such a join and is found later, or not.
- Clips shorter than a second hold little evidence. Without other recordings of the speaker a naturally high, loud or
  flat voice is taken for an emotion; longer recordings are better, because the speaker's own average is subtracted.
- Music, several speakers at once and strong noise are not handled.
"""


def diarizer_card(checkpoint: CheckpointConfig, results: Mapping[str, Any] | None = None) -> str:
    """The card's text (Markdown).

    Args:
        checkpoint: its ``config.json``.
        results: figures on test speakers as ``scripts/make_results.py`` keeps them.
    """
    model = checkpoint.model
    rows = [f"| `{name}` | {value:.3f} |" for name, value in checkpoint.metrics.items()]
    return TEXT.format(
        encoder=_encoder(model.get("backbone")),
        licence=checkpoint.licence,
        windows=", ".join(f"{w:g}" for w in model["windows"]),
        members=model["members"],
        width=model["width"],
        temperature=model["temperature"],
        networks=len(model.get("frame_networks", ())) or "no",
        corpora=_corpora(checkpoint.trained_on),
        test=NOT_MEASURED if results is None else test_section(results) + "\n",
        metrics="\n".join(["| figure | value |", "|---|---|", *rows]),
    )


def _corpora(trained_on: list[str]) -> str:
    """A table of the corpora, each given as ``name (licence)``."""
    lines = ["| corpus | licence | language | content | training speakers | hours |", "|---|---|---|---|---|---|"]
    for entry in trained_on:
        name, _, licence = entry.partition(" (")
        known = CORPORA.get(name)
        title, *rest = known if known else (name, "", "", "", "")
        lines.append(f"| {title} | {licence.rstrip(')')} | " + " | ".join(map(str, rest)) + " |")
    return "\n".join(lines)


def _encoder(backbone: dict[str, Any] | None) -> str:
    if backbone is None:
        return "the built-in speech encoder"
    if backbone["name"] == PACKED:
        return "the speech backbone in `backbone/`, a mixture of all its layers"
    revision = f" ({backbone['revision']})" if backbone["revision"] else ""
    return f"`{backbone['name']}`{revision} of the Hugging Face hub, a mixture of all its layers"
