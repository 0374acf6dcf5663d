"""Votes of raters as targets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError
from sedtalker.training.corpora.manifest import Clip
from sedtalker.training.corpora.transfer_recipe import intensity_targets, read_vote_table, read_votes, soft_targets

OURS = (
    "file,voice_A,voice_D,voice_F,voice_H,voice_N,voice_S,voice_level_mean\n"
    "1001_DFA_ANG_XX.opus,6,2,0,0,2,0,71\n1001_IEO_NEU_XX.opus,0,0,0,0,9,0,40\n1001_DFA_SAD_XX.opus,0,0,0,0,0,0,\n"
)
PUBLISHED = (
    '"","A","D","F","H","N","S","fileName","meanEmoResp"\n'
    '"100062",6,2,0,0,2,0,"1001_DFA_ANG_XX",71\n"200062",0,0,0,0,9,0,"1001_DFA_ANG_XX",40\n'
)


def clip(name: str, emotion: str, corpus: str = "cremad", intensity: str = "") -> Clip:
    return Clip(corpus, Path(name), "en", "1001", "m", emotion, intensity, "", 1.0, "train")


def test_both_tables_say_the_same(tmp_path: Path) -> None:
    for name, text in (("ours/ratings.csv", OURS), ("theirs/processedResults/tabulatedVotes.csv", PUBLISHED)):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
    with (tmp_path / "theirs/processedResults/tabulatedVotes.csv").open("ab") as table:
        table.write(b'"100063",0,0,0,0,0,0,"\xe9",\n')  # no UTF-8, and no vote
    ours, theirs = read_vote_table(tmp_path / "ours"), read_vote_table(tmp_path / "theirs")
    assert sorted(ours) == ["1001_DFA_ANG_XX", "1001_IEO_NEU_XX"]
    assert list(theirs) == ["1001_DFA_ANG_XX"], "votes on the face are left out"
    assert theirs["1001_DFA_ANG_XX"].level == ours["1001_DFA_ANG_XX"].level == 71.0
    assert np.array_equal(theirs["1001_DFA_ANG_XX"].share, ours["1001_DFA_ANG_XX"].share)
    with pytest.raises(InputError, match="no votes there"):
        read_vote_table(tmp_path)


def test_targets_mix_votes_and_intention(tmp_path: Path) -> None:
    folder = tmp_path / "audio" / "cremad"
    folder.mkdir(parents=True)
    (folder / "ratings.csv").write_text(OURS)
    votes = read_votes(tmp_path, ("cremad", "emogator"))
    clips = [clip("1001_DFA_ANG_XX.wav", "angry"), clip("000001-03-1.mp3", "happy", "emogator")]
    rated, burst = soft_targets(clips, votes, 0.4, 0.75)
    shares = dict(zip(CATEGORIES, rated.tolist(), strict=True))
    assert shares["angry"] == pytest.approx(0.4 + 0.6 * 0.6)
    assert shares["neutral"] == pytest.approx(0.6 * 0.2)
    assert burst[CATEGORIES.index("happy")] == pytest.approx(0.75 + 0.25 / 7)
    assert rated.sum() == pytest.approx(1.0)
    assert burst.sum() == pytest.approx(1.0)


def test_intensity_follows_the_votes_and_the_intended_level(tmp_path: Path) -> None:
    folder = tmp_path / "audio" / "cremad"
    folder.mkdir(parents=True)
    (folder / "ratings.csv").write_text(OURS)
    votes = read_votes(tmp_path, ("cremad",))
    name = "1001_DFA_ANG_XX.opus"
    clips = [clip("1001_IEO_NEU_XX.opus", "neutral")]
    clips += [clip(name, "angry", intensity=level) for level in ("low", "", "high", "strong")]
    clips += [clip("000001-03-1.mp3", "happy", "emogator")]
    neutral, low, plain, high, strong, none = intensity_targets(clips, votes).tolist()
    assert neutral < 0.1 < low < plain < high == strong < 1.0
    assert none == 0.0


@pytest.mark.data
def test_every_clip_of_the_training_data_has_votes(data_dir: Path) -> None:
    from sedtalker.training.corpora.manifest import read_manifest
    from sedtalker.training.corpora.speech import clips_of

    votes = read_votes(data_dir, ("cremad",))
    clips = clips_of(read_manifest(data_dir), "cremad")
    assert {f"cremad/{c.path.stem}" for c in clips} <= set(votes)
    strength = intensity_targets(clips_of(read_manifest(data_dir), "cremad", "valid"), votes)
    assert 0.0 < strength.min() < strength.max() < 1.0


def test_a_vote_that_is_no_number_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text(OURS.replace(",6,2,", ",six,2,"))
    with pytest.raises(InputError, match=r"ratings.csv: the row of 1001_DFA_ANG_XX.opus has a vote .* no number"):
        read_vote_table(tmp_path)
