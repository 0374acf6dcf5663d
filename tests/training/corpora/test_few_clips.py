"""The few clips that ``debug=fast`` trains on."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from sedtalker.training.corpora.manifest import read_manifest
from sedtalker.training.corpora.tracked_motion import split_of
from sedtalker.training.run import PER_EMOTION, TRACKED, few_clips, spread

HEAD = "corpus,file,language,speaker,gender,emotion,intensity,transcript,duration_s,split\n"


@given(st.lists(st.integers()), st.integers(1, 20))
def test_spread_keeps_order_and_ends(items: list[int], count: int) -> None:
    kept = spread(items, count)
    assert len(kept) == min(len(items), count)
    places = iter(range(len(items)))
    assert all(any(items[i] == one for i in places) for one in kept), "in order"


def test_a_few_of_everything_and_all_the_rest(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "audio/c").mkdir(parents=True)
    (data / "face").mkdir()
    (data / "face/rig.npz").write_bytes(b"rig")
    (data / "audio/c/a.wav").write_bytes(b"sound")
    (data / "audio/c/ratings.csv").write_text("x")
    rows = [f"c,a.wav,en,s{n},f,{e},,,1.0,{s}" for s in ("train", "test") for e in ("happy", "sad") for n in range(9)]
    (data / "audio/manifest.csv").write_text(HEAD + "\n".join(rows) + "\n")
    grid = data / "motion/grid"
    grid.mkdir(parents=True)
    (data / "motion/facegood").mkdir()
    (grid / "names.json").write_text("{}")
    for n in range(400):
        for suffix in ("npz", "opus"):
            (grid / f"clip{n}.{suffix}").write_text("x")
    for _ in range(2):  # made anew each time
        made = few_clips(data, tmp_path / "few")
        clips = read_manifest(made)
        assert len(clips) == 4 * PER_EMOTION
        assert len({c.speaker for c in clips}) == PER_EMOTION
        assert all(c.path.read_bytes() == b"sound" for c in clips)
        assert (made / "audio/c/ratings.csv").is_file()
        assert (made / "face/rig.npz").read_bytes() == b"rig"
        assert (made / "motion/facegood").is_dir()
        assert (made / "motion/grid/names.json").is_file()
        kept = sorted((made / "motion/grid").glob("*.npz"))
        counts = {split: sum(split_of(p.stem) == split for p in kept) for split in TRACKED}
        assert counts == TRACKED
        assert all(p.with_suffix(".opus").is_file() for p in kept)
    assert len(list(grid.glob("*.npz"))) == 400, "nothing was touched"


def test_other_data_stay_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "sequences").mkdir()
    assert few_clips(tmp_path, tmp_path / "few") == tmp_path
    assert not (tmp_path / "few").exists()
