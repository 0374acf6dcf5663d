"""Sound that is no speech: vocal bursts with emotions; noises and room impulse responses for augmentation."""

from __future__ import annotations

from sedtalker.emotion.track import CATEGORIES
from sedtalker.training.corpora.speech import NamedFiles, SpeechCorpus, Training

EMOGATOR_WORDS = (
    *("adoration", "amusement", "anger", "awe", "confusion", "contempt", "contentment", "desire", "disappointment"),
    *("disgust", "distress", "ecstasy", "joy", "embarrassment", "fear", "guilt", "interest", "neutral", "pain"),
    *("pride", "realization", "relief", "romantic love", "sadness", "calm", "shame", "surprise"),
    *("pleasant surprise", "sympathy", "triumph"),
)
"""EmoGator's thirty kinds in the order of their numbers, which begin with 01; in our words where they are ours."""

EMOGATOR = SpeechCorpus(
    name="emogator",
    title="EmoGator",
    paper="Buhl 2023",
    language="nonverbal",
    licence="Apache-2.0",
    use="free",
    obtain="https://github.com/fredbuhl/EmoGator",
    layout="data/mp3/000001-01-1.mp3",
    read=NamedFiles(
        r"(?P<speaker>\d{6})-(?P<emotion>\d\d)-\d",
        {f"{number:02d}": word for number, word in enumerate(EMOGATOR_WORDS, 1)},
        language="nonverbal",
    ),
    categories=tuple(CATEGORIES),
    speakers=357,
    hours=17.0,
    label_weight=0.5,
    sentences=False,
    training=Training("none", "vocal bursts, 7 of 30 categories", speakers=90, hours=0.47),
    note="vocal bursts; labels are prompts that no listener checked",
)
"""Vocal bursts of 357 people, thirty kinds."""

ESC10 = SpeechCorpus(
    name="esc10",
    title="ESC-10",
    paper="Piczak 2015",
    language="none",
    licence="CC BY 3.0",
    use="free",
    obtain="https://github.com/karolpiczak/ESC-10",
    layout="001 - Dog bark/1-100032-A.ogg; a manifest is needed",
    hours=0.6,
    note="environmental sounds of ten kinds, for augmentation",
)
"""400 environmental sounds of five seconds."""

NOISE_RIR = SpeechCorpus(
    name="noise_rir",
    title="noises and room impulse responses",
    paper="test samples of SpeechBrain and audiomentations",
    language="none",
    licence="Apache-2.0; MIT",
    use="free",
    obtain="https://github.com/speechbrain/speechbrain",
    layout="noise_1.wav, rir_1.flac; in the manifest other:noise and other:rir",
    note="a few of each, for augmentation",
)
"""A dozen noises and a few impulse responses of rooms."""

CORPORA = (EMOGATOR, ESC10, NOISE_RIR)
"""See ``sedtalker.training.corpora.speech``."""
