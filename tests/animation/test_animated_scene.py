"""A recording of two speakers becomes two faces on one clock."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sedtalker.animation.animator import Animator
from sedtalker.animation.scene import Place, Scene, directions, places_beside, with_others
from sedtalker.audio import load_audio
from sedtalker.emotion.formats import constant_track
from sedtalker.errors import InputError
from sedtalker.face.builtin import load_face
from sedtalker.metrics.motion import CLOSED_GAP, lip_aperture, wrong_mouth_time
from sedtalker.speakers.separation import Speakers, sound_of
from sedtalker.speakers.turns import Turn, Turns
from tests.support.clips import cut_sample

TURNS = Turns((Turn(0.3, 2.4, "ann"), Turn(2.0, 4.9, "bob")), 6.0)
"""Who speaks when; from 2 to 2.4 s both do."""


@pytest.fixture(scope="module")
def animator() -> Animator:
    return Animator.from_pretrained()


@pytest.fixture(scope="module")
def speakers(tmp_path_factory: pytest.TempPathFactory) -> Speakers:
    sound = load_audio(cut_sample(tmp_path_factory.mktemp("in") / "talk.wav", 0.0, 6.0))
    return Speakers(sound, TURNS, {name: sound_of(sound, TURNS, name) for name in TURNS.speakers})


@pytest.fixture(scope="module")
def scene(animator: Animator, speakers: Speakers) -> Scene:
    return animator.scene("talk.wav", [load_face("walter")], speakers=speakers, fps=25.0)


def apertures(scene: Scene) -> dict[str, np.ndarray]:
    rest = {name: np.zeros((1, len(a.face.shapes)), np.float32) for name, a in scene.animations.items()}
    return {
        name: lip_aperture(a.face, a.coefficients) - lip_aperture(a.face, rest[name])
        for name, a in scene.animations.items()
    }


def test_all_faces_have_the_length_and_the_rate_of_the_recording(scene: Scene, speakers: Speakers) -> None:
    assert scene.names == ("ann", "bob")
    assert (len(scene), scene.fps, scene.turns) == (150, 25.0, TURNS)
    for name, animation in scene.animations.items():
        assert (len(animation), animation.fps) == (150, 25.0)
        assert animation.track is not None
        assert len(animation.track) == 150
        said = animation.provenance
        assert (said["speaker"], said["speakers"], said["listening"]) == (name, ["ann", "bob"], 1.0)
        assert said["audio_sha256"] == speakers.mixed.sha256


def test_what_was_made_of_a_sound_is_kept_no_longer_than_it_is_needed(
    animator: Animator, speakers: Speakers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an hour it is 0.4 GB for the recording, and as much for each speaker."""
    sounds, held, move = (speakers.mixed, *speakers.sounds.values()), [], animator._moved

    def moved(*given: object) -> object:
        held.append([bool(sound.made) for sound in sounds])
        return move(*given)

    monkeypatch.setattr(animator, "_moved", moved)
    animator.scene("talk.wav", speakers=speakers)
    assert held == [[False, True, False], [False, False, True]]
    assert not any(sound.made for sound in sounds)


@pytest.mark.slow
def test_faces_are_the_given_ones_and_then_others(scene: Scene) -> None:
    walter, default = (animation.face.name for animation in scene.animations.values())
    assert (walter, default) == (load_face("walter").name, load_face().name)
    names = [face.name for face in with_others([load_face()], 7)]
    assert len(set(names)) == 7
    assert [face.name for face in with_others([load_face(), load_face()], 1)] == [load_face().name]


def test_lips_move_in_own_turns_and_in_overlap_both_and_are_shut_else(scene: Scene) -> None:
    times, open_by = scene.animations["ann"].clock.times(len(scene)), apertures(scene)
    both = (times > 2.0) & (times < 2.4)
    for name, aperture in open_by.items():
        assert aperture[both].max() > 2 * CLOSED_GAP, name
        away = np.ones(len(times), bool)
        for start, end in TURNS.of(name):
            away &= (times < start - 0.25) | (times > end + 0.25)
        assert away.sum() > 20
        assert aperture[away].max() < CLOSED_GAP, name
    assert wrong_mouth_time(times, open_by, TURNS) < 0.02
    swapped = {"ann": open_by["bob"], "bob": open_by["ann"]}
    assert wrong_mouth_time(times, swapped, TURNS) > 0.4


def test_faces_look_at_each_other(scene: Scene) -> None:
    for name, side in (("ann", 1), ("bob", -1)):
        animation = scene.animations[name]
        looked = animation.coefficients[:, [animation.face.shape_index[f"eyeLook{w}Left"] for w in ("Out", "In")]]
        assert side * np.degrees(np.median(animation.head_rotation[:, 1])) > 10
        assert side * np.median(looked[:, 0] - looked[:, 1]) > 0.05


def test_the_same_call_gives_the_same_motion_and_listening_changes_the_listener(
    animator: Animator, speakers: Speakers, scene: Scene
) -> None:
    faces = [load_face("walter")]
    again = animator.scene("talk.wav", faces, speakers=speakers, fps=25.0)
    still = animator.scene("talk.wav", faces, speakers=speakers, fps=25.0, listening=0.0)
    for name, animation in scene.animations.items():
        np.testing.assert_array_equal(again.animations[name].coefficients, animation.coefficients)
        np.testing.assert_array_equal(again.animations[name].head_rotation, animation.head_rotation)
    listens = slice(0, 40)  # bob, before the turn of his own
    lively, calm = (s.animations["bob"].head_rotation[listens].std(0).sum() for s in (scene, still))
    assert calm < 0.5 * lively
    blinks = still.animations["bob"].coefficients[:, still.animations["bob"].face.shape_index["eyeBlinkLeft"]]
    assert blinks.max() > 0.8


def test_without_heads_or_eyes_nothing_of_them_moves(animator: Animator, speakers: Speakers) -> None:
    track = {name: constant_track("happy:0.5", 6.0) for name in TURNS.speakers}
    made = animator.scene("talk.wav", speakers=speakers, tracks=track, head=False, gaze=False)
    for animation in made.animations.values():
        assert not animation.head_rotation.any()
        assert not animation.coefficients[:, animation.face.shape_index["eyeLookOutLeft"]].any()
        assert animation.provenance["emotion"] == "given"
        assert list(animation.provenance["licences"]) == ["decoder", "articulation"]


def test_what_means_nothing_is_refused(animator: Animator, speakers: Speakers, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nobody is called 'eve': use one of ann, bob"):
        animator.scene("talk.wav", speakers=speakers, tracks={"eve": constant_track("sad", 6.0)})
    with pytest.raises(InputError, match="listening 2: give 0 to 1"):
        animator.scene("talk.wav", speakers=speakers, listening=2.0)
    with pytest.raises(InputError, match=r"talk\.rttm: no such file$"):
        animator.scene(speakers.mixed, speakers=str(tmp_path / "talk.rttm"))


def test_directions_are_those_of_the_places() -> None:
    faces = {name: load_face() for name in ("left", "middle", "right")}
    places = {"left": Place((-1.0, 0.0, 0.0)), "middle": Place((0.0, 0.0, 0.0), 30.0), "right": Place((1.0, 1.0, 1.0))}
    seen = directions(faces, places)
    assert seen["left"]["middle"] == pytest.approx((90.0, 0.0))
    assert seen["middle"]["left"] == pytest.approx((-120.0, 0.0))
    assert seen["middle"]["right"] == pytest.approx((15.0, np.degrees(np.arctan(np.sqrt(0.5)))))
    beside = places_beside(faces)
    assert beside["left"].yaw == -beside["right"].yaw > 0
    assert directions(faces, beside)["left"]["right"][0] == pytest.approx(90.0 - beside["left"].yaw)
