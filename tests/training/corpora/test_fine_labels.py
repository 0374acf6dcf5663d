"""Kinds of clips by number and by word, shares of votes, and EmoNet-Voice's labels as they are published."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sedtalker.emotion.taxonomy import KINDS
from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError
from sedtalker.training.corpora.manifest import Clip
from sedtalker.training.corpora.speech import NamedFiles, corpora, known_corpus
from sedtalker.training.corpora.speech.tables import read_rating
from sedtalker.training.corpora.transfer_recipe import Votes
from sedtalker.training.tasks.fine_emotions import BURSTS, VOTED, clip_kind, kind_numbers, vote_shares

BURST = Clip("emogator", Path("000001_000001-12-1.opus"), "nonverbal", "1", "", "other:ecstasy", "", "", 1.0, "test")


def test_the_kind_of_a_burst_is_its_number() -> None:
    assert clip_kind(BURST) == "ecstasy"
    assert clip_kind(replace(BURST, path=Path("000007-28-1.mp3"), emotion="surprise")) == "positive surprise"
    assert clip_kind(replace(BURST, path=Path("000007-31-1.mp3"))) is None
    assert clip_kind(replace(BURST, corpus="mine", emotion="other:Jealousy & Envy")) == "jealousy"
    assert kind_numbers([BURST, replace(BURST, path=Path("a.wav"))]).tolist() == [BURSTS.index("ecstasy"), -1]
    same = {"joy": "elation", "calm": "serenity", "surprise": "negative surprise"}
    same["pleasant surprise"] = "positive surprise"
    files = corpora()["emogator"].read
    assert isinstance(files, NamedFiles)
    words = [files.emotions[f"{number:02d}"] for number in range(1, 31)]
    assert [same.get(word, word) for word in words] == list(BURSTS)


def test_shares_of_votes_are_of_the_six_that_raters_could_choose() -> None:
    share = np.zeros(len(CATEGORIES), np.float32)
    share[[CATEGORIES.index("sad"), CATEGORIES.index("fear")]] = 0.75, 0.25
    clip = replace(BURST, corpus="cremad", path=Path("1001_DFA_SAD_XX.wav"))
    found = vote_shares([clip, BURST], {"cremad/1001_DFA_SAD_XX": Votes(share, 50.0, 4)})
    assert found[0].tolist() == [0.75 if c == "sad" else 0.25 if c == "fear" else 0.0 for c in VOTED]
    assert not found[1].any()


def test_a_label_of_emonet_voice() -> None:
    cell = "[{'human-1': {'Impatience%20and%20Irritability': 1}}, {'human-4': {'Impatience%20and%20Irritability': 2}}]"
    assert read_rating(cell) == ("Impatience and Irritability", (1, 2))


@pytest.mark.parametrize(
    "cell",
    [
        "",
        "[]",
        "{}",
        "[{'human-1': {'Shame': 3}}]",
        "[{'human-1': {'Shame': True}}]",
        "[{'human-1': {'Shame': 1}}, {'human-2': {'Awe': 1}}]",
        "__import__('os').system('true')",
        "[" * 5000,
        "[{'human-1': {'Shame': 1}}]" + " " * 20_000,
    ],
)
def test_other_labels_are_refused_in_one_line(cell: str) -> None:
    with pytest.raises(InputError, match="no label of EmoNet-Voice") as error:
        read_rating(cell)
    assert "\n" not in str(error.value)


def test_a_folder_of_emonet_voice(tmp_path: Path) -> None:
    corpus = known_corpus("emonet-voice-bench")
    assert corpus is not None
    with pytest.raises(InputError, match=r"no labels\.csv"):
        corpus.clips(tmp_path)
    for name in ("a.mp3", "b.mp3"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "labels.csv").write_text(
        "file,label\na.mp3,\"[{'human-1': {'Shame': 1}}, {'human-2': {'Shame': 2}}]\"\n"
        "b.mp3,\"[{'human-1': {'Arousal': 1}}]\"\nmissing.mp3,\"[{'human-1': {'Awe': 0}}]\"\n"
    )
    clips, unknown = corpus.clips(tmp_path)
    assert unknown == ["b.mp3", "missing.mp3"]
    (clip,) = clips
    assert (clip.corpus, clip.emotion, clip.intensity, clip.split) == ("emonet_voice", "other:shame", "1.5000", "test")
    assert clip_kind(clip) == "shame"
    assert set(BURSTS) < set(KINDS)
    (tmp_path / "labels.csv").write_text("file,label\na.mp3,nonsense\n")
    with pytest.raises(InputError, match=r"labels\.csv: line 2: 'nonsense' is no label"):
        corpus.clips(tmp_path)
