"""Words from the files of recognisers and aligners."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest

from sedtalker.emotion.formats import constant_track, labels
from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError
from sedtalker.phonetics.words import Word, read_words
from sedtalker.reading import NAMED_EMOTIONS, srt, textgrid

VTT = """WEBVTT

NOTE nothing here

1
00:00:00.500 --> 00:00:02.000 align:start
So this is <b>how</b>
you feel

00:03.000 --> 00:04.500
<00:00:03.000><c>Well</c> <00:00:03.700><c>yes</c>
"""
LONG = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 2
tiers? <exists>
size = 2
item []:
    item [1]:
        class = "IntervalTier"
        name = "phones"
        xmin = 0
        xmax = 2
        intervals: size = 1
        intervals [1]:
            xmin = 0
            xmax = 2
            text = "AH0"
    item [2]:
        class = "IntervalTier"
        name = "Anna - words"
        xmin = 0
        xmax = 2
        intervals: size = 3
"""
SPANS = (("0", "0.5", ""), ("0.5", "1.25", "so"), ("1.25", "2", "sp"))
for _number, (_start, _end, _text) in enumerate(SPANS, 1):
    LONG += f"""        intervals [{_number}]:
            xmin = {_start}
            xmax = {_end}
            text = "{_text}"
"""
SHORT = """File type = "ooTextFile"
Object class = "TextGrid"

0
2
<exists>
1
"IntervalTier"
"words"
0
2
1
0.5
1.25
"so"
"""
SO = (Word(0.5, 1.25, "so"),)
WHISPER = {
    "text": "so yes",
    "segments": [
        {"start": 0, "end": 1, "text": " so", "words": [{"word": " so", "start": 0.5, "end": 1.25}]},
        {"start": 2, "end": 3, "text": " yes"},
    ],
}


def test_subtitles():
    words = read_words(VTT.encode(), "a.vtt")
    assert words == (Word(0.5, 2.0, "So this is how you feel"), Word(3.0, 3.7, "Well"), Word(3.7, 4.5, "yes"))
    srt = "1\r\n00:00:00,500 --> 00:00:01,250\r\nso\r\n\r\n"
    assert read_words(srt.encode("utf-16"), "a.SRT") == SO


ROLLING = """WEBVTT
Kind: captions

00:00:00.000 --> 00:00:02.000 align:start
 
so<00:00:00.400><c> this</c>

00:00:02.000 --> 00:00:02.010 align:start
so this
 

00:00:02.010 --> 00:00:04.000 align:start
so this
is
"""
"""As video platforms write what they recognise."""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1\n{}\nso\n2\n{}\nyes\n", ["so", "yes"]),
        ("1\r{}\rso\r\r2\r{}\ryes\r", ["so", "yes"]),
        ("1\n{}\n\nso\n\n2\n{}\n5\n", ["so", "5"]),
        ("WEBVTT\n\nfirst\n{}\nso\n\nNOTE not --> this\nnor this\n\nsecond one\n{}\nyes\n", ["so", "yes"]),
        ("{}\n{{\\an8}}R&amp;B, {{\\i1}}don&#39;t&nbsp;you\n\n{}\n<v Ann>yes</v>\n", ["R&B, don't you", "yes"]),
    ],
)
def test_subtitles_as_many_programs_write_them(text, said):
    made = text.format("00:00:00,500 --> 00:00:01,250", "00:00:01.2500 --> 00:00:02.0000")
    assert read_words(made.encode(), "a.srt") == (Word(0.5, 1.25, said[0]), Word(1.25, 2.0, said[1]))


def test_arrows_are_text_unless_times_are_beside_them():
    cue = "00:00:0{}.500 --> 00:00:0{}.000\n{}\n\n"
    text = cue.format(0, 1, "Go") + cue.format(1, 2, "Press A --> B\nnow please") + "0:01 --> 9\nlost\n"
    assert [word.text for word in read_words(text.encode(), "a.srt")] == ["Go", "Press A --> B now please"]


def test_captions_that_roll_up_say_each_word_once():
    assert [word.text for word in read_words(ROLLING.encode(), "a.vtt")] == ["so", "this", "is"]


def test_who_says_a_thing_again_says_it_twice():
    text = srt([(0.0, 2.0, "Yes."), (10.0, 12.0, "Yes.\nI do.")])
    assert [word.text for word in read_words(text.encode(), "a.srt")] == ["Yes.", "Yes. I do."]


@pytest.mark.parametrize(
    ("cues", "said"),
    [
        (["ANN (angry): so", "- BOB: yes - DR. WHO: no"], ["so", "yes no"]),
        (["Ann: so", "Bob: yes", "Ann: no", "Bob: oh"], ["so", "yes", "no", "oh"]),
        (["Remember: it is 10:30 now", "HE (laughs)"], ["Remember: it is 10:30 now", "HE"]),
        (["[door] so (laughs)", "♪♪", ">> ANN: yes"], ["so", "yes"]),
        (["【音楽】", "そうですね（笑）"], ["そうですね"]),
        (["安娜：你好", "安娜（笑）：再见", "三：一"], ["你好", "再见", "三：一"]),
        (["Odds: 1:1", "A:B"], ["Odds: 1:1", "A:B"]),
    ],
)
def test_names_of_speakers_and_descriptions_are_not_spoken(cues, said):
    text = srt((k, k + 0.5, cue) for k, cue in enumerate(cues))
    assert [word.text for word in read_words(text.encode(), "a.srt")] == said


def test_subtitles_of_our_conversations_have_no_words():
    text = srt((k, k + 0.5, cue) for k, cue in enumerate(["ANN (angry)", "BOB", "安娜 (sad)"]))
    with pytest.raises(InputError, match="no words with times"):
        read_words(text.encode(), "a.srt")
    assert NAMED_EMOTIONS == CATEGORIES


@pytest.mark.parametrize(
    "cues",
    [
        ["你好", "今天天气很好", "真的吗 (笑)"],
        ["今日はいい天気ですね", "そうですね", "行きましょう (笑い)"],
        ["네.", "안녕하세요 (웃음)"],
        ["HELLO THERE", "HOW ARE YOU (LAUGHS)"],
        ["你好", "ANN (sad)"],
    ],
)
def test_short_captions_are_no_names(cues):
    text = srt((k, k + 0.5, cue) for k, cue in enumerate(cues))
    said = [word.text for word in read_words(text.encode(), "a.srt")]
    assert said == [cue.partition(" (")[0] for cue in cues]


@pytest.mark.parametrize("form", [labels.SRT, labels.VTT])
def test_our_own_subtitles_are_read_back_without_their_emotion(form):
    said = ((0.5, 0.9, "Happy"), (0.9, 1.3, "birthday."), (1.5, 1.9, "At"), (1.9, 2.4, "10:30"))
    track = replace(constant_track("happy:0.8", 3.0), words=said)
    text = form.write(track, "a")
    assert "happy:0.800" in text
    assert read_words(text.encode(), f"a{form.suffix}") == (
        Word(0.0, 1.5, "Happy birthday."),
        Word(1.5, 3.0, "At 10:30"),
    )
    silent = form.write(replace(track, words=()), "a")
    with pytest.raises(InputError, match="no words with times"):
        read_words(silent.encode(), f"a{form.suffix}")
    assert read_words(b"1\n00:00:00,500 --> 00:00:01,250\nodds: 1:1.500\n", "a.srt")[0].text == "odds: 1:1.500"


def test_quoted_texts_of_textgrids_come_back():
    text = textgrid({"words": [(0.5, 1.25, 'a "so"')]}, 2.0, 2)
    assert read_words(text.encode(), "a.TextGrid") == (Word(0.5, 1.25, 'a "so"'),)


@pytest.mark.parametrize("text", [LONG, SHORT, LONG.replace("xmin = 0\n", "xmin = 5.55e-17\n")])
def test_textgrids(text):
    assert read_words(text.encode(), "a.TextGrid") == SO


def test_ctm():
    text = ";; from somewhere\nfile 1 0.5 0.75 so 0.9\nfile 1 0.1 0.2 <eps>\nfile 1 0.0 0.1 oh\n"
    assert read_words(text.encode(), "a.ctm") == (Word(0.0, 0.1, "oh"), *SO)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (WHISPER, (*SO, Word(2.0, 3.0, "yes"))),
        ({"word_segments": [{"word": "so", "start": 0.5, "end": 1.25}, {"word": "1990"}]}, SO),
        ({"transcription": [{"offsets": {"from": 500, "to": 1250}, "text": " so"}]}, SO),
        ({"text": "so", "chunks": [{"timestamp": [0.5, 1.25], "text": " so"}]}, SO),
        ({"words": [{"word": "so", "start": 0.5, "end": 1.25}]}, SO),
    ],
)
def test_json_of_whisper_and_its_kin(data, words):
    assert read_words(json.dumps(data).encode(), "a.json") == words


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.docx", b"so", "words are read from"),
        ("a.vtt", b"", "no words"),
        ("a.vtt", b"\xff\xfe\x00", "not text"),
        ("a.textgrid", b"hello", "not a Praat TextGrid"),
        ("a.ctm", b"one two\n", "line 1"),
        ("a.ctm", b"f 1 x y so\n", "damaged"),
        ("a.ctm", b"f 1 nan 1 so\n", "ends before"),
        ("a.ctm", b"f 1 -1 1 so\n", "ends before"),
        ("a.json", b"[[[", "not valid JSON"),
        ("a.json", b"{}", "damaged"),
        ("a.json", b'{"segments": [{"start": "x", "end": 1, "text": "so"}]}', "damaged"),
        ("a.json", b'{"segments": 5}', "damaged"),
    ],
)
def test_other_files_are_refused_in_one_line(name, data, said):
    with pytest.raises(InputError, match=said) as caught:
        read_words(data, name)
    assert str(caught.value).startswith(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.vtt", b"WEBVTT\n\n00:00.000 --> 00:01.000\n" + b"<" * 300_000, "no words"),
        ("a.srt", b"0:00:00,000 --> " + b"9" * 400 + b":00:00,000\nword\n", "damaged"),
        ("a.ctm", b"x 1 0 1 word\n" * 150_000, "more than"),
        ("a.json", b"[" * 100_000, "nested"),
        (
            "a.textgrid",
            b'File type = "ooTextFile"\n"TextGrid"\n0\n1\n<exists>\n1\n"IntervalTier"\n"words"\n0\n1\n'
            b'1000000000\n0\n1\n"a"\n',
            "fewer intervals",
        ),
    ],
    ids=lambda value: str(value)[:12],
)
def test_files_that_claim_or_never_end_are_refused_soon(name, data, said):
    began = time.process_time()
    if name == "a.vtt":
        assert len(read_words(data, name)) == 1
    else:
        with pytest.raises(InputError, match=said):
            read_words(data, name)
    assert time.process_time() - began < 5.0
