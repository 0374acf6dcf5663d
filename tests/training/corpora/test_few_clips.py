"""The few clips that ``debug=fast`` trains on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sedtalker.training.corpora.manifest import PER_EMOTION, few_clips, read_manifest, spread
from sedtalker.training.corpora.tracked_motion import MOST_TRACKED, read_grid

HEAD = "corpus,file,language,speaker,gender,emotion,intensity,transcript,duration_s,split\n"


@given(st.lists(st.integers()), st.integers(1, 20))
def test_spread_keeps_order_and_ends(items: list[int], count: int) -> None:
    kept = spread(items, count)
    assert len(kept) == min(len(items), count)
    places = iter(range(len(items)))
    assert all(any(items[i] == one for i in places) for one in kept), "in order"


def test_a_few_of_every_corpus_split_and_emotion(tmp_path: Path) -> None:
    (tmp_path / "audio").mkdir()
    rows = [f"c,a.wav,en,s{n},f,{e},,,1.0,{s}" for s in ("train", "test") for e in ("happy", "sad") for n in range(9)]
    (tmp_path / "audio/manifest.csv").write_text(HEAD + "\n".join(rows) + "\n")
    assert len(read_manifest(tmp_path)) == len(rows)
    with few_clips():
        clips = read_manifest(tmp_path)
    assert len(clips) == 4 * PER_EMOTION
    assert len({c.speaker for c in clips}) == PER_EMOTION
    assert len(read_manifest(tmp_path)) == len(rows)


def test_a_few_tracked_sentences_of_each_split(tmp_path: Path) -> None:
    grid = tmp_path / "motion/grid"
    grid.mkdir(parents=True)
    (grid / "names.json").write_text(json.dumps({"ict_names": ["jawOpen"], "feature_names": ["inner_lip_height"]}))
    still = {"ict": np.zeros((2, 1), np.uint8), "features": np.zeros((2, 1)), "fps": 25.0, "text": "bin blue"}
    for n in range(400):
        np.savez(grid / f"clip{n}.npz", **still)
    with few_clips():
        kept = [clip.split for clip in read_grid(tmp_path)]
    assert {split: kept.count(split) for split in MOST_TRACKED} == MOST_TRACKED
    assert len(read_grid(tmp_path)) == 400
