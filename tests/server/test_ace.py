"""Streams of Audio2Face-3D over real gRPC."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from sedtalker.animation.animation import Animation
from sedtalker.animation.performance import StreamSettings
from sedtalker.face.arkit import ARKIT_52, INDEX
from sedtalker.face.builtin import load_face
from sedtalker.server.service import Limits
from tests.server.ace_client import (
    CONTRAST,
    END,
    FULL,
    INVALID,
    METADATA,
    STUBS,
    Client,
    M,
    ace,
    ace_messages,
    audio_header,
    client,
    faced,
    frames,
    glb_weights,
    grpc,
    header,
    server,
    shaped,
    spoken,
)

__all__ = ["client", "server"]
from tests.server.conftest import TOKEN, running


@pytest.mark.skipif(STUBS is None, reason="NVIDIA's stubs are not installed")
def test_our_messages_are_those_of_nvidia():
    for name, ours in ace_messages.MESSAGES.items():
        if name == "Any":
            continue
        declared, theirs = proto(ours), {field.name: field for field in proto(M[name]).field}
        for field in declared.field:
            other = theirs[field.name]
            kind = field.TYPE_INT32 if other.type == field.TYPE_ENUM else other.type
            assert (field.number, field.label, field.type) == (other.number, other.label, kind), (name, field.name)
            if kind != field.TYPE_MESSAGE:  # whose presence is known anyway
                assert field.proto3_optional == other.proto3_optional, (name, field.name)


def proto(message: Any) -> Any:
    from google.protobuf.descriptor_pb2 import DescriptorProto

    found = DescriptorProto()
    message.DESCRIPTOR.CopyToProto(found)
    return found


def made_frames(models: Any, samples: np.ndarray) -> list[Any]:
    settings = StreamSettings(fps=30, hop=ace.HOP, emotion="happy:0.7")
    return list(models.animator().stream([samples], settings))


def test_a_stream_is_that_of_python(client, models, samples, pcm):
    messages = client.stream([header(), spoken(pcm[:9999], (0.0, {"joy": 0.7})), spoken(pcm[9999:]), END])
    names = messages[0].animation_data_stream_header.skel_animation_header.blend_shapes
    assert list(names) == list(ARKIT_52)
    assert messages[0].animation_data_stream_header.audio_header.samples_per_second == 16_000
    times, weights = frames(messages)
    made = made_frames(models, samples)
    assert times == pytest.approx(np.arange(len(made)) / 30, abs=1e-4)
    assert np.abs(weights - np.array([frame.weights for frame in made])).max() < 1e-4
    assert b"".join(m.animation_data.audio.audio_buffer for m in messages) == pcm
    assert messages[-2].HasField("event")
    assert (messages[-1].status.code, messages[-1].HasField("status")) == (0, True)


@pytest.mark.slow
def test_a_stream_has_the_weights_of_its_glb(client, samples, pcm, models, tmp_path):
    times, weights = frames(client.stream([header(), spoken(pcm, (0.0, {"joy": 0.7})), END]))
    made, face = made_frames(models, samples), load_face()
    rows = np.zeros((len(made), len(face.shapes)), np.float32)
    rows[:, : len(ARKIT_52)] = [frame.weights for frame in made]
    animation = Animation(rows, 30.0, face, np.zeros((len(rows), 3), np.float32))
    at, of_glb = glb_weights(animation, tmp_path / "stream.glb")
    assert times == pytest.approx(at, abs=1e-3)
    assert np.abs(weights - of_glb).max() < 1e-3


def test_other_rates_come_to_the_same_face(client, samples):
    import soxr

    def jaw(rate: int) -> np.ndarray:
        data = np.round(soxr.resample(samples, 16_000, rate) * 32767).astype("<i2").tobytes()
        said = client.stream([header(audio_header(rate=rate)), spoken(data, (0.0, {"joy": 0.7})), END])
        assert b"".join(m.animation_data.audio.audio_buffer for m in said) == data
        return frames(said)[1][:, INDEX["jawOpen"]]

    usual, other = jaw(16_000), jaw(44_100)
    assert abs(len(usual) - len(other)) <= 1
    assert np.corrcoef(usual[:59], other[:59])[0, 1] > 0.98


def test_emotions_at_time_codes_change_the_face(client, pcm):
    keys = [(0.0, {"joy": 1.0}), (1.0, {"sadness": 1.0})]
    both = frames(client.stream([header(), spoken(pcm, *keys), END]))[1]
    joy = frames(client.stream([header(), spoken(pcm, keys[0]), END]))[1]
    smile = INDEX["mouthSmileLeft"]
    assert np.abs(both[:25] - joy[:25]).max() < 1e-3
    assert both[45:, smile].mean() < 0.3 * joy[45:, smile].mean()
    late = frames(client.stream([header(), spoken(pcm[:20_000], keys[0]), spoken(pcm[20_000:], keys[1]), END]))[1]
    assert late[50:, smile].mean() < 0.5 * joy[50:, smile].mean()
    assert np.abs(frames(client.stream([header(), spoken(pcm), END]))[1] - joy).max() > 0.1  # what is recognised


def test_the_emotion_of_a_frame_comes_back_in_nvidias_words(client, pcm):
    message = client.stream([header(), spoken(pcm, (0.0, {"amazement": 0.8})), END])[2]
    held = M["EmotionAggregate"].FromString(message.animation_data.metadata["emotion_aggregate"].value)
    assert dict(held.a2f_smoothed_output[0].emotion) == {"amazement": pytest.approx(0.8, abs=1e-3)}
    if STUBS:
        assert message.animation_data.metadata["emotion_aggregate"].Unpack(M["EmotionAggregate"]())


def test_given_emotions_are_mixed_or_left_out_as_asked(client, pcm):
    def smile(**post: Any) -> float:
        asked = header(emotion_post_processing_params=CONTRAST(**post))
        weights = frames(client.stream([asked, spoken(pcm, (0.0, {"joy": 1.0})), END]))[1]
        return float(weights[20:, INDEX["mouthSmileLeft"]].mean())

    whole, half = smile(), smile(emotion_strength=0.5)
    assert smile(enable_preferred_emotion=True, preferred_emotion_strength=1.0) == pytest.approx(whole, abs=1e-4)
    assert half < 0.8 * whole
    without = smile(enable_preferred_emotion=False)
    assert smile(preferred_emotion_strength=0.0) == pytest.approx(without, abs=1e-4)
    assert without < smile(preferred_emotion_strength=0.5) < whole


def test_parameters_of_the_face_and_of_shapes(client, pcm):
    def weights(float_params: Any = None, post: Any = None, **shapes: Any) -> np.ndarray:
        asked = header(
            face_params=M["FaceParameters"](float_params=float_params),
            blendshape_params=M["BlendShapeParameters"](**shapes),
            emotion_post_processing_params=CONTRAST(**(post or {})),
        )
        return frames(client.stream([asked, spoken(pcm, (0.0, {"joy": 1.0})), END]))[1]

    plain = weights()
    jaw, smile, brow, blink = (INDEX[name] for name in ("jawOpen", "mouthSmileLeft", "browDownLeft", "eyeBlinkLeft"))
    scaled = weights(
        bs_weight_multipliers={"JawOpen": 0.5, "TongueTipUp": 2.0}, bs_weight_offsets={"eyeBlinkLeft": 0.1}
    )
    assert scaled[:, jaw] == pytest.approx(0.5 * plain[:, jaw], abs=1e-5)
    assert scaled[:, blink] == pytest.approx(np.minimum(plain[:, blink] + 0.1, 1.0), abs=1e-5)
    unclamped = weights(bs_weight_offsets={"jawOpen": -0.3}, enable_clamping_bs_weight=False)
    assert unclamped[:, jaw] == pytest.approx(plain[:, jaw] - 0.3, abs=1e-5)
    lower = weights({"lowerFaceStrength": 0.5, "skinStrength": 0.8})
    assert lower[:, smile] == pytest.approx(0.4 * plain[:, smile], abs=1e-5)
    assert lower[:, jaw] == pytest.approx(0.4 * plain[:, jaw], abs=1e-5)
    assert lower[:, brow] == pytest.approx(0.8 * plain[:, brow], abs=1e-5)
    opened = weights({"lipOpenOffset": 0.1, "eyelidOpenOffset": -0.2})
    lip = INDEX["mouthUpperUpLeft"]
    assert opened[:, lip].mean() > plain[:, lip].mean() + 0.02
    assert opened[:, blink].mean() > plain[:, blink].mean() + 0.1
    smooth = weights({"lowerFaceSmoothing": 0.1})
    assert np.abs(np.diff(smooth[:, jaw])).max() < 0.7 * np.abs(np.diff(plain[:, jaw])).max()
    assert smooth[:, blink] == pytest.approx(plain[:, blink], abs=1e-5)


def test_the_parameters_of_nvidias_sample_clients_are_taken(client, pcm):
    face = {"upperFaceStrength": 1, "upperFaceSmoothing": 0.001, "lowerFaceStrength": 1.25, "lowerFaceSmoothing": 0.006}
    face |= {"faceMaskLevel": 0.6, "faceMaskSoftness": 0.0085, "skinStrength": 1, "eyelidOpenOffset": 0.06}
    face |= {"lipOpenOffset": -0.03, "tongueStrength": 1.3, "tongueHeightOffset": 0.0, "tongueDepthOffset": 0.0}
    post = {"emotion_contrast": 1.0, "live_blend_coef": 0.7, "enable_preferred_emotion": False}
    post |= {"preferred_emotion_strength": 0.5, "emotion_strength": 0.6, "max_emotions": 3}
    shapes = [name[:1].upper() + name[1:] for name in ARKIT_52] + ["TongueTipUp"]
    asked = header(
        face_params=M["FaceParameters"](float_params=face),
        emotion_post_processing_params=CONTRAST(**post),
        blendshape_params=M["BlendShapeParameters"](
            bs_weight_multipliers=dict.fromkeys(shapes, 0.8),
            bs_weight_offsets=dict.fromkeys(shapes, 0.0),
            enable_clamping_bs_weight=False,
        ),
        emotion_params=M["EmotionParameters"](live_transition_time=0.0001, beginning_emotion={"pain": 1.0}),
    )
    said = client.stream([asked, spoken(pcm, (0.0, {"joy": 1.0}), (1.0, {"fear": 1.0})), spoken(b""), END])
    assert said[-1].status.code == 0


def test_a_beginning_emotion_shows_until_the_first_that_is_recognised(client, pcm):
    params = M["EmotionParameters"](beginning_emotion={"joy": 1.0})
    off = CONTRAST(enable_preferred_emotion=False)
    at_first = frames(
        client.stream([header(emotion_params=params, emotion_post_processing_params=off), spoken(pcm), END])
    )
    plain = frames(client.stream([header(), spoken(pcm), END]))
    smile = INDEX["mouthSmileLeft"]
    assert at_first[1][5:12, smile].mean() > plain[1][5:12, smile].mean() + 0.1


def left_out() -> Any:
    """A header by which given emotions do not show."""
    return header(emotion_post_processing_params=CONTRAST(enable_preferred_emotion=False))


@pytest.mark.parametrize(
    ("messages", "line"),
    [
        (lambda: [], "the first message of a stream is its audio_stream_header"),
        (lambda: [spoken(b"")], "the first message of a stream is its audio_stream_header"),
        (lambda: [header()], "empty"),
        (lambda: [header(), END], "empty"),
        (lambda: [header(), spoken(b""), END], "empty"),
        (lambda: [header(), header()], "after the header"),
        (lambda: [header(audio_header(rate=0))], "samples_per_second"),
        (lambda: [header(audio_header(rate=4_000_000_000))], "samples_per_second"),
        (lambda: [header(audio_header(channel_count=2))], "channel_count 2"),
        (lambda: [header(audio_header(bits_per_sample=24))], "bits_per_sample 24"),
        (lambda: [header(audio_header(audio_format=7))], "audio_format 7"),
        (lambda: [header(), spoken(b"\0\0", (0.0, {"boredom": 1.0}))], "boredom"),
        (lambda: [left_out(), spoken(b"\0\0"), spoken(b"\0\0", (0.0, {"boredom": 1.0}))], "boredom"),
        (lambda: [header(), spoken(b"\0\0", (0.0, {"joy": 2.0}))], "joy"),
        (lambda: [header(), spoken(b"\0\0", (-1.0, {"joy": 1.0}))], "time_code"),
        (lambda: [header(), spoken(b"\0\0", (float("nan"), {"joy": 1.0}))], "time_code"),
        (lambda: [header(), spoken(b"\0\0", *((float(k), {}) for k in range(2000)))], "more than 1000"),
        (lambda: [header(emotion_params=M["EmotionParameters"](beginning_emotion={"x": 1.0}))], "beginning_emotion"),
        (lambda: [header(emotion_post_processing_params=CONTRAST(emotion_strength=7.0))], "emotion_strength"),
        (lambda: [header(emotion_post_processing_params=CONTRAST(live_blend_coef=1.0))], "live_blend_coef"),
        (lambda: [faced({"noseLength": 1.0})], "noseLength"),
        (lambda: [header(face_params=M["FaceParameters"](integer_params={"seed": 1}))], "integer_params"),
        (lambda: [faced({"faceMaskLevel": 0.2})], "faceMaskLevel=0.2"),
        (lambda: [shaped(bs_weight_offsets={"Nose": 1.0})], "Nose"),
        (
            lambda: [shaped(bs_weight_offsets={"TongueUp": 1.0})],
            "TongueUp",
        ),
        (
            lambda: [shaped(bs_weight_multipliers={"jawOpen": 1e9})],
            "jawOpen",
        ),
        (
            lambda: [faced({"lipOpenOffset": float("nan")})],
            "lipOpenOffset",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_in_a_line(client, server, messages: Callable[[], list[Any]], line: str):
    code, said = client.refused(messages())
    assert code is INVALID
    assert line in said
    assert server.service.streams == 0
    assert server.service.pool.members == []


def test_bytes_that_are_no_message(client):
    call = client.channel.stream_stream(f"/{ace.CONTROLLER}/ProcessAudioStream")
    for data in (b"\xff\xff\xff", b"\x0a\x05\x12\x03\x0a\x01\xff"):
        with pytest.raises(grpc.RpcError) as error:
            list(call(iter([data]), metadata=METADATA, timeout=20))
        assert error.value.code() is INVALID


def test_a_message_that_is_too_large(client, server):
    code, _ = client.refused([header(), spoken(bytes(ace.LARGEST + 1000)), END])
    assert code is FULL
    assert server.service.pool.members == []


def test_without_the_token(server):
    for metadata in ((), (("authorization", "Bearer wrong"),), (("authorization", TOKEN),)):
        code, line = Client(server, metadata).refused([header(), END])
        assert code is grpc.StatusCode.UNAUTHENTICATED
        assert "Bearer" in line


def left_behind(server: Any) -> tuple[int, int]:
    """Streams and members that are still there, after a while in which they should have gone."""
    until = time.monotonic() + 30
    while (server.service.streams or server.service.pool.members) and time.monotonic() < until:
        time.sleep(0.02)
    return server.service.streams, len(server.service.pool.members)


def test_a_client_that_stops_half_way_leaves_nothing(client, server, pcm):
    def half() -> Iterator[Any]:
        yield header()
        yield spoken(pcm[:32_000], (0.0, {"joy": 1.0}))
        time.sleep(60)

    for _ in range(3):
        call = client.controller.ProcessAudioStream(half(), metadata=METADATA)
        assert next(call).animation_data_stream_header.skel_animation_header.blend_shapes
        next(call)
        call.cancel()
    assert left_behind(server) == (0, 0)


def test_silence_on_the_wire_too_much_sound_and_too_many_clients(models, pcm):
    with running(models, Limits(idle=0.4, seconds=1.0), grpc=True) as server:
        client = Client(server)

        def silent() -> Iterator[Any]:
            yield header()
            time.sleep(3)

        code, line = client.refused(silent())
        assert (code, line) == (FULL, "no message came for 0 s")
        code, line = client.refused([header(), spoken(pcm), END])
        assert (code, line) == (FULL, "a stream of this server ends after 1 s")
        assert left_behind(server) == (0, 0)


def test_a_client_that_does_not_read_is_let_go(models):
    """At a rate at which the sound of a frame, which comes back with it, soon fills what the network holds."""
    with running(models, Limits(stalled=0.5, frames_waiting=30, sound_waiting=0.5), grpc=True) as server:
        second = spoken(bytes(2 * 768_000), (0.0, {"joy": 1.0}))
        messages = iter([header(audio_header(rate=768_000)), *[second] * 8])
        call = Client(server).controller.ProcessAudioStream(messages, metadata=METADATA, timeout=60)
        until = time.monotonic() + 30
        while not server.service.pool.members and time.monotonic() < until:
            time.sleep(0.02)
        assert left_behind(server) == (0, 0)
        with pytest.raises(grpc.RpcError) as error:
            list(call)
        assert (error.value.code(), error.value.details()) == (FULL, "no frame was read for 0 s")


def test_a_hundred_clients_at_once(models, pcm):
    with running(models, Limits(clients=2), grpc=True) as server:

        def one(number: int) -> Any:
            try:
                messages = Client(server).stream([header(), spoken(pcm[:16_000], (0.0, {"joy": 1.0})), END])
                return messages[-1].status.code
            except grpc.RpcError as error:
                return error.code()

        with ThreadPoolExecutor(100) as threads:
            found = list(threads.map(one, range(100)))
        assert set(found) <= {0, FULL}
        assert FULL in found
        assert 0 in found
        assert left_behind(server) == (0, 0)
