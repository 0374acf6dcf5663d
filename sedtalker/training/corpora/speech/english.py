"""Emotional speech that was made on request: actors and prompted speakers in English, and synthetic voices."""

from __future__ import annotations

import ast
from pathlib import Path
from urllib.parse import unquote

from sedtalker.emotion.fine_families import known_kind
from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError
from sedtalker.training.corpora.manifest import Clip
from sedtalker.training.corpora.speech import Found, NamedFiles, Ratings, SpeechCorpus, Training, read_table
from sedtalker.training.corpora.transfer_recipe import read_vote_table

SEVEN = tuple(CATEGORIES)
"""All our categories."""
BASIC = {"angry": "angry", "disgust": "disgust", "fear": "fear", "happy": "happy", "sad": "sad"} | {
    "neutral": "neutral",
    "surprise": "surprise",
}
"""Words of corpora that name our categories as we do."""


def read_voice_votes(folder: Path) -> Ratings:
    """CREMA-D: shares of the votes of raters who had the voice alone, by file name without its ending.

    Raises:
        InputError: there is no table of votes.
    """
    return {name: votes.share for name, votes in read_vote_table(folder).items()}


CREMA_D = SpeechCorpus(
    name="crema_d",
    title="CREMA-D",
    paper="Cao et al. 2014",
    language="en",
    licence="ODbL 1.0",
    use="free",
    obtain="https://github.com/CheyneyComputerScience/CREMA-D",
    layout="AudioWAV/1001_DFA_ANG_XX.wav",
    read=NamedFiles(
        r"(?P<speaker>1\d{3})_[A-Z]{3}_(?P<emotion>[A-Z]{3})_(?P<intensity>LO|MD|HI|XX?)",
        {"ang": "angry", "dis": "disgust", "fea": "fear", "hap": "happy", "neu": "neutral", "sad": "sad"},
        intensities={"lo": "low", "md": "normal", "hi": "strong"},
    ),
    aliases=("cremad",),
    categories=("neutral", "happy", "sad", "angry", "fear", "disgust"),
    speakers=91,
    ratings=read_voice_votes,
    note=(
        "weights need the notice 'contains information from CREMA-D, which is made available under the ODbL'; "
        "raters often do not find the intended emotion in the voice: train on their votes (processedResults/"
        "tabulatedVotes.csv)"
    ),
)
"""91 American actors of all ages, 12 sentences, six emotions in up to three strengths."""

RAVDESS = SpeechCorpus(
    name="ravdess",
    title="RAVDESS",
    paper="speech; Livingstone and Russo 2018",
    language="en",
    licence="CC BY-NC-SA 4.0",
    use="non-commercial",
    obtain="https://zenodo.org/records/1188976",
    layout="Actor_01/03-01-06-01-02-01-12.wav",
    read=NamedFiles(
        r"0[13]-01-(?P<emotion>\d\d)-(?P<intensity>\d\d)-\d\d-\d\d-(?P<speaker>\d\d)",
        {
            **{"01": "neutral", "02": "calm", "03": "happy", "04": "sad", "05": "angry"},
            **{"06": "fearful", "07": "disgust", "08": "surprised"},
        },
        gender=lambda speaker: "m" if int(speaker) % 2 else "f",
        intensities={"01": "normal", "02": "strong"},
    ),
    categories=SEVEN,
    speakers=24,
    training=Training(
        "English (North America)", "two sentences by actors, 7 categories in two strengths", speakers=14, hours=0.86
    ),
    note="two strengths of every emotion; strong is 8 to 14 dB louder than normal",
)
"""24 actors, two sentences, eight emotions in two strengths."""

ESD = SpeechCorpus(
    name="esd",
    title="ESD, Emotional Speech Database",
    paper="Zhou et al. 2021",
    language="en, zh",
    licence="research only, non-commercial",
    use="non-commercial",
    obtain="https://github.com/HLTSingapore/Emotional-Speech-Data",
    layout="0011/Angry/0011_000351.wav, or 0011/Angry/train/0011_000351.wav",
    split_note="its own train, evaluation and test folders share speakers and are not used",
    read=NamedFiles(
        r"(?P<speaker>00\d\d)/(?P<emotion>angry|happy|neutral|sad|surprise)/(?:\w+/)?00\d\d_\d+",
        BASIC,
        language=lambda speaker: "zh" if int(speaker) <= 10 else "en",
    ),
    categories=("neutral", "happy", "sad", "angry", "surprise"),
    speakers=20,
    hours=29.0,
)
"""Ten English and ten Mandarin speakers, 350 sentences each in five emotions."""

JL = SpeechCorpus(
    name="jl",
    title="JL corpus",
    paper="James et al. 2018",
    language="en",
    licence="CC0 1.0",
    use="free",
    obtain="https://www.kaggle.com/datasets/tli725/jl-corpus",
    layout="female1_angry_10a_1.wav",
    read=NamedFiles(
        r"(?P<speaker>(?P<gender>female|male)\d)_(?P<emotion>[a-z]+)_\d+[ab]?_\d",
        BASIC
        | {"excited": "excited", "anxious": "anxiety", "apologetic": "apology", "pensive": "pensiveness"}
        | {
            "worried": "worry",
            "assertive": "assertiveness",
            "encouraging": "encouragement",
            "concerned": "concern",
        },
    ),
    categories=("neutral", "happy", "sad", "angry"),
    speakers=4,
)
"""Four New Zealand actors, basic and secondary emotions."""

SAVEE = SpeechCorpus(
    name="savee",
    title="SAVEE",
    paper="Haq and Jackson 2009",
    language="en",
    licence="research only, after registration",
    use="evaluation",
    obtain="http://kahlan.eps.surrey.ac.uk/savee",
    layout="DC/a01.wav, or DC_a01.wav",
    read=NamedFiles(
        r"(?P<speaker>DC|JE|JK|KL)[/_](?P<emotion>sa|su|[adfhn])\d\d",
        {
            **{"a": "anger", "d": "disgust", "f": "fear", "h": "happiness"},
            **{"n": "neutral", "sa": "sadness", "su": "surprise"},
        },
        gender=lambda speaker: "m",
    ),
    categories=SEVEN,
    speakers=4,
)
"""Four British men, seven emotions."""

TESS = SpeechCorpus(
    name="tess",
    title="TESS",
    paper="Pichora-Fuller and Dupuis 2020",
    language="en",
    licence="CC BY-NC-ND 4.0: no derivatives, so for testing only",
    use="evaluation",
    obtain="https://doi.org/10.5683/SP2/E8H2MF",
    layout="OAF_angry/OAF_back_angry.wav",
    split_note="two speakers: all is training, divide it yourself",
    read=NamedFiles(
        r"(?P<speaker>OAF?|YAF)_\w+?_(?P<emotion>angry|disgust|fear|happy|neutral|ps|sad)",
        BASIC | {"ps": "pleasant surprise"},
        gender=lambda speaker: "f",
    ),
    categories=SEVEN,
    speakers=2,
    unseen=True,
    note="one carrier phrase; the length of a clip alone tells its emotions apart at 0.36 UAR: crop at random",
)
"""Two women, 200 words in one carrier phrase, seven emotions."""

EMOV_DB = SpeechCorpus(
    name="emov_db",
    title="EmoV-DB",
    paper="Adigwe et al. 2018",
    language="en",
    licence="see the licence in its archive",
    use="evaluation",
    obtain="https://openslr.org/115",
    layout="bea_Amused/amused_1-15_0001.wav",
    read=NamedFiles(
        r"(?P<speaker>bea|jenie|josh|sam)_(?P<emotion>[a-z]+)/[^/]+",
        {
            **{"amused": "amusement", "angry": "angry", "disgusted": "disgusted", "anger": "anger"},
            **{"disgust": "disgust", "neutral": "neutral", "sleepy": "sleepiness", "sleepiness": "sleepiness"},
        },
        gender=lambda speaker: "f" if speaker.lower() in ("bea", "jenie") else "m",
    ),
    categories=("neutral", "happy", "angry", "disgust"),
    speakers=4,
)
"""Four speakers, hours of sentences in five emotions."""


TABLE = "labels.csv"
"""The table of labels in the folder."""
HIGHEST = 2
"""Greatest rating: 0 not there, 1 weak, 2 strong."""
LONGEST_CELL = 10_000
"""Letters of a label; a few raters take some hundred."""


def read_rating(cell: str) -> tuple[str, tuple[int, ...]]:
    """The kind that a clip was rated for, and each rater's rating.

    A label is the text of a list with an entry a rater: ``[{'human-1': {'Shame': 1}}, {'human-4': {'Shame': 2}}]``.

    Raises:
        InputError: the label is not of this form, or names several kinds.
    """
    try:
        if len(cell) > LONGEST_CELL:
            raise ValueError
        raters = ast.literal_eval(cell)
        found = [(word, score) for rater in raters for said in rater.values() for word, score in said.items()]
        words = {unquote(word) for word, _ in found}
        scores = tuple(score for _, score in found)
        if len(words) != 1 or any(type(score) is not int or not 0 <= score <= HIGHEST for score in scores):
            raise ValueError
    except (ValueError, SyntaxError, TypeError, AttributeError, MemoryError, RecursionError):
        raise InputError(f"'{cell[:60]}' is no label of EmoNet-Voice: one kind and a rating from each rater") from None
    return words.pop(), scores


def read_emonet_voice(folder: Path) -> Found:
    """Clips of kinds that are known; the intensity of each is the mean of its ratings, 0 to 2."""
    if not (folder / TABLE).is_file():
        raise InputError(f"{folder}: no {TABLE} in it, with the columns file and label")
    clips, unknown = [], []
    for number, line in enumerate(read_table(folder / TABLE, ("file", "label")), 2):
        try:
            word, scores = read_rating(line["label"] or "")
        except InputError as error:
            raise InputError(f"{folder / TABLE}: line {number}: {error}") from None
        path, kind = folder / (line["file"] or ""), known_kind(word)
        if kind is None or not path.is_file():
            unknown.append(line["file"] or "")
            continue
        mean = f"{sum(scores) / len(scores):.4f}"
        clips.append(Clip("", path, "en", path.stem, "", f"other:{kind}", mean, "", 0.0, "test"))
    return clips, unknown


EMONET_VOICE = SpeechCorpus(
    name="emonet_voice",
    title="EmoNet-Voice Bench",
    paper="Schuhmann et al. 2025, arXiv 2506.09827",
    language="en",
    licence="as its page on the hub says",
    use="evaluation",
    obtain="https://huggingface.co/datasets/laion/emonet-voice-bench",
    layout="labels.csv and the files that it names",
    splits="official",
    split_note="test alone",
    read=read_emonet_voice,
    aliases=("emonet-voice", "emonet-voice-bench"),
    hours=36.3,
    unseen=True,
    note="synthetic voices; forty kinds, each clip rated for one of them by two to four experts",
)
"""12,600 synthetic clips."""
