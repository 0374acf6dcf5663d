"""Emotion in other voices than English ones: eight languages, single words on people's own phones, vocal bursts."""

from __future__ import annotations

from sedtalker.emotion.track import CATEGORIES
from sedtalker.training.corpora.speech import NamedFiles, SpeechCorpus, Training

NO_TEXT = "free for research, no licence text"
"""Corpora that are called free by their makers, who state no licence."""
EMODB_MEN = ("03", "10", "11", "12", "15")
"""Numbers of EmoDB's male speakers."""

EMODB = SpeechCorpus(
    name="emodb",
    title="EmoDB, Berlin",
    paper="Burkhardt et al. 2005",
    language="de",
    licence="free to download, no licence text",
    use="evaluation",
    obtain="http://emodb.bilderbar.info",
    layout="wav/03a01Fa.wav",
    read=NamedFiles(
        r"(?P<speaker>\d\d)[ab]\d\d(?P<emotion>[WLEAFTN])[a-z]?",
        {
            **{"w": "anger", "l": "boredom", "e": "disgust", "a": "fear"},
            **{"f": "happiness", "t": "sadness", "n": "neutral"},
        },
        language="de",
        gender=lambda speaker: "m" if speaker in EMODB_MEN else "f",
    ),
    categories=("neutral", "happy", "sad", "angry", "fear", "disgust"),
    speakers=10,
)
"""Ten German actors, ten sentences, seven emotions."""

EMOVO = SpeechCorpus(
    name="emovo",
    title="EMOVO",
    paper="Costantini et al. 2014",
    language="it",
    licence=NO_TEXT,
    use="evaluation",
    obtain="http://voice.fub.it/activities/corpora/emovo/index.html",
    layout="f1/dis-f1-b1.wav",
    read=NamedFiles(
        r"(?P<emotion>dis|gio|neu|pau|rab|sor|tri)-(?P<speaker>(?P<gender>[fm])\d)-\w+",
        {
            **{"dis": "disgust", "gio": "joy", "neu": "neutral", "pau": "fear", "rab": "anger"},
            **{"sor": "surprise", "tri": "sadness"},
        },
        language="it",
    ),
    categories=("neutral", "happy", "sad", "angry", "fear", "disgust", "surprise"),
    speakers=6,
)
"""Six Italian actors, 14 sentences, seven emotions."""

BANGLASER = SpeechCorpus(
    name="banglaser",
    title="BanglaSER",
    paper="Das et al. 2022",
    language="bn",
    licence="CC BY 4.0",
    use="free",
    obtain="https://data.mendeley.com/datasets/t9h6p943xy",
    layout="03-01-02-01-01-01-05.wav",
    read=NamedFiles(
        r"03-01-(?P<emotion>0[1-5])-0[12]-\d\d-\d\d-(?P<speaker>\d\d)",
        {"01": "happy", "02": "sad", "03": "angry", "04": "surprise", "05": "neutral"},
        language="bn",
        gender=lambda speaker: "m" if int(speaker) % 2 else "f",
    ),
    categories=("neutral", "happy", "sad", "angry", "surprise"),
    speakers=34,
)
"""34 speakers of Bangla on telephones and laptops, three sentences, five emotions; its neutral was recorded apart."""

SUBESCO = SpeechCorpus(
    name="subesco",
    title="SUBESCO",
    paper="Sultana et al. 2021",
    language="bn",
    licence="CC BY 4.0",
    use="free",
    obtain="https://zenodo.org/records/4526477",
    layout="F_01_OISHI_S_10_ANGRY_1.wav",
    read=NamedFiles(
        r"(?P<gender>[FM])_(?P<speaker>\d\d_[A-Z]+)_S_\d+_(?P<emotion>[A-Z]+)_\d",
        {word: word for word in ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")},
        language="bn",
    ),
    categories=("neutral", "happy", "sad", "angry", "fear", "disgust", "surprise"),
    speakers=20,
    hours=7.7,
)
"""Twenty Bangla actors, ten sentences, seven emotions."""

NEMO = SpeechCorpus(
    name="nemo",
    title="nEMO",
    paper="Christop 2024",
    language="pl",
    licence="CC BY-NC-SA 4.0",
    use="non-commercial",
    obtain="https://github.com/amu-cai/nEMO",
    layout="samples/EB0_anger_1.wav",
    read=NamedFiles(
        r"(?P<speaker>[A-Z]{2}\d)_(?P<emotion>anger|fear|happiness|neutral|sadness|surprised?)_\d+",
        {word: word for word in ("anger", "fear", "happiness", "neutral", "sadness", "surprise", "surprised")},
        language="pl",
    ),
    categories=("neutral", "happy", "sad", "angry", "fear", "surprise"),
    speakers=9,
    training=Training("Polish", "sentences by actors, 6 categories", speakers=6, hours=1.2),
    note="90 sentences in every emotion",
)
"""Nine Polish actors, 90 sentences, six emotions."""

EMOTIONTTS_KO = SpeechCorpus(
    name="emotiontts_ko",
    title="EmotionTTS",
    paper="EmotionTTS Open DB, KAIST and SelvasAI",
    language="ko",
    licence="CC BY-NC-SA 4.0",
    use="non-commercial",
    obtain="https://github.com/emotiontts/emotiontts_open_db",
    layout="Emotional/ema/wav/ema00101.wav",
    read=NamedFiles(
        r"(?P<speaker>(?:em|ne)[a-z])00(?P<emotion>[0-3])\d\d",
        {"0": "neutral", "1": "happy", "2": "sad", "3": "angry"},
        language="ko",
    ),
    categories=("neutral", "happy", "sad", "angry"),
    speakers=15,
    training=Training("Korean", "read sentences, 4 categories", speakers=10, hours=0.3),
    note="whole sentences, neutral and emotional by the same speaker",
)
"""Fifteen Korean speakers, sentences in four emotions."""

INDIAN_EMOSPEECH = SpeechCorpus(
    name="indian_emospeech",
    title="Indian EmoSpeech",
    paper="Banga et al. 2019",
    language="en, hi",
    licence="CC BY-NC-SA 4.0",
    use="non-commercial",
    obtain="https://github.com/RakshakTeam/emospeech-dataset-v1",
    layout="help-fearful-1563203125896.wav; who speaks stands in its tables, so a manifest is needed",
    categories=("neutral", "happy", "angry", "fear"),
    speakers=105,
    label_weight=0.4,
    sentences=False,
    training=Training("Indian English, Hindi", "prompted single words, 4 categories", speakers=71, hours=0.65),
    note="one word in three seconds on people's own phones: crop to the word; nobody checked the labels",
)
"""Prompted single words in Indian English and Hindi, four emotions."""

BAVED = SpeechCorpus(
    name="baved",
    title="BAVED",
    paper="Aouf 2019",
    language="ar",
    licence="none stated",
    use="evaluation",
    obtain="https://github.com/40uf411/Basic-Arabic-Vocal-Emotions-Dataset",
    layout="0/0-m-21-0-1-105.wav",
    read=NamedFiles(
        r"(?P<speaker>\d+)-(?P<gender>[mf])-\d+-\d-(?P<intensity>(?P<emotion>[012]))-\d+",
        {"0": "low-emotion", "1": "neutral", "2": "high-emotion"},
        language="ar",
        intensities={"0": "low", "1": "medium", "2": "high"},
    ),
    speakers=61,
    sentences=False,
    unseen=True,
    note="single words at three levels of emotion (low, neutral, high), no categories: checks the intensity",
)
"""Seven Arabic words at three levels of emotion."""

UEM_ES = SpeechCorpus(
    name="uem_es",
    title="UEM student speech",
    paper="a course project of Universidad Europea de Madrid, 2020",
    language="es",
    licence="none stated",
    use="evaluation",
    obtain="https://github.com/rcebrian/speech-emotion-recognition",
    layout="data/0/Alegria_02.wav; a manifest is needed",
    categories=("neutral", "happy", "sad", "angry", "fear", "disgust", "surprise"),
    speakers=16,
    unseen=True,
    note="students, not actors; nobody checked the labels",
)
"""Sixteen Spanish students, 12 sentences, seven emotions."""

AESDD = SpeechCorpus(
    name="aesdd",
    title="AESDD",
    paper="Vryzas et al. 2018",
    language="el",
    licence=NO_TEXT,
    use="evaluation",
    obtain="https://m3c.web.auth.gr/research/aesdd-speech-emotion-recognition",
    layout="anger/a01 (1).wav",
    read=NamedFiles(
        r"(?P<emotion>[adfhs])\d\d ?\((?P<speaker>\d)\)",
        {"a": "anger", "d": "disgust", "f": "fear", "h": "happiness", "s": "sadness"},
        language="el",
    ),
    categories=("happy", "sad", "angry", "fear", "disgust"),
    speakers=6,
    unseen=True,
    note="no neutral speech",
)
"""Six Greek actors, five emotions."""


# --- Vocal bursts.

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
