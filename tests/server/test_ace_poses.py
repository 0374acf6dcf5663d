"""Single poses of Audio2Face-3D over real gRPC."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sedtalker.audio.audio import from_samples
from sedtalker.face.arkit import ARKIT_52, INDEX
from tests.server.ace_client import (
    CONTRAST,
    INVALID,
    METADATA,
    Client,
    M,
    audio_header,
    client,
    glb_weights,
    grpc,
    server,
)

__all__ = ["client", "server"]


def clip(pcm: bytes, **other: Any) -> Any:
    return M["AudioClip"](audio_header=audio_header(**other), content=pcm)


@pytest.fixture(scope="module")
def handle(client, pcm) -> Any:
    return client.authoring.UploadAudioClip(clip(pcm), metadata=METADATA)


def pose(client: Client, handle: Any, second: float, **asked: Any) -> Any:
    request = M["FacePoseRequest"](audio_hash=handle.audio_clip_id, time_stamp=second, **asked)
    return client.authoring.GetAvatarFacePose(request, metadata=METADATA, timeout=60)


@pytest.mark.parametrize(("words", "emotion"), [({"joy": 0.8}, "happy:0.8"), ({}, None)])
def test_a_pose_is_that_of_the_animation(client, models, samples, handle, words, emotion):
    assert list(handle.blendshape_names) == list(ARKIT_52)
    animation = models.animator()(from_samples(samples, 16_000), emotion=emotion)
    for place in (10, 40, 3):
        found = pose(client, handle, place / 30, preferred_emotions=words)
        assert np.abs(np.array(found.blendshapes) - animation.coefficients[place, :52]).max() < 1e-3
        assert found.time_code == pytest.approx(place / 30)
    if words:
        assert dict(found.emotions)["joy"] == pytest.approx(0.8, abs=1e-3)


@pytest.mark.slow
def test_a_pose_is_that_of_the_glb(client, models, samples, handle, tmp_path):
    animation = models.animator()(from_samples(samples, 16_000), emotion="happy:0.8")
    times, weights = glb_weights(animation, tmp_path / "clip.glb")
    for place in (10, 40, 3):
        found = pose(client, handle, times[place], preferred_emotions={"joy": 0.8})
        assert np.abs(np.array(found.blendshapes) - weights[place]).max() < 1e-3


def test_poses_follow_what_is_asked_and_clips_are_found_again(client, handle, pcm):
    joy, sad = (np.array(pose(client, handle, 1.0, preferred_emotions={w: 1.0}).blendshapes) for w in ("joy", "grief"))
    assert joy[INDEX["mouthSmileLeft"]] > sad[INDEX["mouthSmileLeft"]] + 0.2
    post = CONTRAST(live_blend_coef=0.5, preferred_emotion_strength=0.5, emotion_strength=1.0, max_emotions=6)
    half = pose(client, handle, 1.0, preferred_emotions={"joy": 1.0}, emotion_pp_params=post)
    assert half.blendshapes[INDEX["mouthSmileLeft"]] < joy[INDEX["mouthSmileLeft"]]
    assert client.authoring.UploadAudioClip(clip(pcm), metadata=METADATA).audio_clip_id == handle.audio_clip_id


@pytest.mark.parametrize(
    ("asked", "code", "line"),
    [
        ({"audio_hash": "none"}, grpc.StatusCode.NOT_FOUND, "upload"),
        ({"time_stamp": 9.0}, INVALID, "time_stamp"),
        ({"time_stamp": float("nan")}, INVALID, "time_stamp"),
        ({"preferred_emotions": {"glee": 1.0}}, INVALID, "glee"),
        ({"face_params": M["FaceParameters"](float_params={"noseLength": 1.0})}, INVALID, "noseLength"),
    ],
)
def test_poses_that_cannot_be(client, handle, asked, code, line):
    fields = {"audio_hash": handle.audio_clip_id, "time_stamp": 0.5} | asked
    with pytest.raises(grpc.RpcError) as error:
        client.authoring.GetAvatarFacePose(M["FacePoseRequest"](**fields), metadata=METADATA)
    assert error.value.code() is code
    assert line in error.value.details()


def test_the_end_of_a_clip_has_a_pose_though_messages_round_its_time(client, pcm):
    found = client.authoring.UploadAudioClip(clip(pcm[: 2 * 17_600]), metadata=METADATA)
    assert pose(client, found, 1.1).time_code == pytest.approx(1.1)


def test_clips_that_cannot_be(client, server):
    for message, line in (
        (clip(b""), "empty"),
        (clip(b"\0\0"), "100 ms"),
        (clip(bytes(3_000_000), rate=2000), "600 s"),
    ):
        with pytest.raises(grpc.RpcError) as error:
            client.authoring.UploadAudioClip(message, metadata=METADATA)
        assert error.value.code() is INVALID
        assert line in error.value.details()
    assert server.service.requests == 0
