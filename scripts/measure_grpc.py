"""Figures of ``sedtalker serve --grpc``: streams at real time, the time of a pose, the difference to a GLB.

The server is a process of its own; clients send sound as fast as it is taken, over sockets of the loopback interface.
``rt`` is seconds of sound a second by the clock, of all streams; ``rt_cpu`` is seconds of sound a second of the
server's processor time, times the cores. Both must be at least the number of streams for these to run in real time.

    python scripts/measure_grpc.py --seconds 8 --json
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from sedtalker import Animator
from sedtalker.audio import load_audio
from sedtalker.audio.audio import from_samples
from sedtalker.face.arkit import ARKIT_52
from sedtalker.server.ace import AUTHORING, CONTROLLER
from sedtalker.server.ace_messages import MESSAGES, made

SAMPLE = Path(__file__).parents[1] / "data" / "samples" / "four_moods.wav"
PIECE = 32_000
"""Bytes of a message: a second of sound, as NVIDIA's sample client sends them."""
HEADER = {"channel_count": 1, "samples_per_second": 16_000, "bits_per_sample": 16}


def packed(message: Any) -> bytes:
    """The bytes of a message."""
    return bytes(message.SerializeToString())


def streamed(channel: grpc.Channel, pcm: bytes, given: bool) -> int:
    """Frames that come back for a recording."""

    def messages() -> Any:
        header = made("AudioWithEmotionStreamHeader", audio_header=made("AudioHeader", **HEADER))
        yield made("AudioWithEmotionStream", audio_stream_header=header)
        for start in range(0, len(pcm), PIECE):
            joy = [made("EmotionWithTimeCode", emotion={"joy": 0.8})] if given and not start else []
            part = made("AudioWithEmotion", audio_buffer=pcm[start : start + PIECE], emotions=joy)
            yield made("AudioWithEmotionStream", audio_with_emotion=part)
        yield made("AudioWithEmotionStream", end_of_audio=made("EndOfAudio"))

    call = channel.stream_stream(
        f"/{CONTROLLER}/ProcessAudioStream", packed, MESSAGES["A2F3DAnimationDataStream"].FromString
    )
    return sum(len(m.animation_data.skel_animation.blend_shape_weights) for m in call(messages(), timeout=600))


def processor_seconds(url: str) -> float:
    """Processor time that the server has taken so far."""
    families = text_string_to_metric_families(httpx.get(f"{url}/metrics", timeout=60).text)
    return next(s.value for f in families for s in f.samples if s.name == "process_cpu_seconds_total")


def of_streams(place: str, url: str, pcm: bytes, count: int, given: bool) -> dict[str, float]:
    """Ratios of so many streams at once."""
    channels = [grpc.insecure_channel(place) for _ in range(count)]
    before, began = processor_seconds(url), time.perf_counter()
    with ThreadPoolExecutor(count) as threads:
        frames = list(threads.map(lambda channel: streamed(channel, pcm, given), channels))
    took, used = time.perf_counter() - began, processor_seconds(url) - before
    sound = count * len(pcm) / PIECE
    assert min(frames) >= sound / count * 30 - 1, "a stream lacks frames"
    return {"rt": round(sound / took, 2), "rt_cpu": round((os.cpu_count() or 1) * sound / used, 2)}


def of_poses(place: str, url: str, pcm: bytes, count: int) -> dict[str, float]:
    """Milliseconds of single poses, under one emotion and under one that changes with every pose."""
    channel = grpc.insecure_channel(place)
    upload = channel.unary_unary(f"/{AUTHORING}/UploadAudioClip", packed, MESSAGES["AudioClipHandle"].FromString)
    pose = channel.unary_unary(f"/{AUTHORING}/GetAvatarFacePose", packed, MESSAGES["BlendShapeData"].FromString)
    handle = upload(made("AudioClip", audio_header=made("AudioHeader", **HEADER), content=pcm), timeout=600)
    times = np.random.default_rng(1).permutation(np.linspace(0, len(pcm) / PIECE - 0.1, count))

    def asked(second: float, joy: float) -> Any:
        emotions = {"joy": joy}
        return made("FacePoseRequest", audio_hash=handle.audio_clip_id, time_stamp=second, preferred_emotions=emotions)

    def medians(strength: Any) -> float:
        took = []
        for k, second in enumerate(times):
            began = time.perf_counter()
            emotions = {"joy": strength(k)}
            pose(
                made("FacePoseRequest", audio_hash=handle.audio_clip_id, time_stamp=second, preferred_emotions=emotions)
            )
            took.append(1000 * (time.perf_counter() - began))
        return round(float(np.median(took)), 1)

    medians(lambda k: 1.0)  # the first call allocates
    rows = [list(pose(asked(k / 30, 0.8)).blendshapes) for k in range(int(30 * len(pcm) / PIECE))]
    samples = np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(32768.0)
    same, before = medians(lambda k: 0.9), processor_seconds(url)
    other = medians(lambda k: round(0.5 + k / 1000, 4))
    return {
        "pose_ms": same,
        "pose_ms_each_another_emotion": other,
        "pose_cpu_ms_each_another_emotion": round(1000 * (processor_seconds(url) - before) / count, 1),
        **{f"pose_to_glb_{targets}": difference(np.array(rows), samples, targets) for targets in ("all", "arkit")},
    }


def difference(rows: np.ndarray, samples: np.ndarray, targets: str) -> float:
    """The largest between poses (T, 52) and the weights in the GLB of the same recording and emotion."""
    import pygltflib

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.glb"
        Animator.from_pretrained()(from_samples(samples, 16_000), emotion="happy:0.8").export(path, targets=targets)
        file = pygltflib.GLTF2().load(str(path))
    channel = next(c for a in file.animations for c in a.channels if c.target.path == "weights")
    names = file.meshes[file.nodes[channel.target.node].mesh].extras["targetNames"]
    accessor = file.accessors[file.animations[0].samplers[channel.sampler].output]
    begin = (file.bufferViews[accessor.bufferView].byteOffset or 0) + (accessor.byteOffset or 0)
    weights = np.frombuffer(file.binary_blob(), "<f4", accessor.count, begin).reshape(-1, len(names))
    there = [(k, names.index(name)) for k, name in enumerate(ARKIT_52) if name in names]
    mine, theirs = map(list, zip(*there, strict=True))
    return round(float(np.abs(rows[:, mine] - weights[: len(rows), theirs]).max()), 5)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8.0, help="of sound of each stream, and of the clip")
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--poses", type=int, default=60)
    parser.add_argument("--json", action="store_true", help="as every script that measures; the output always is")
    options = parser.parse_args()
    samples = load_audio(SAMPLE).samples[: round(16_000 * options.seconds)]
    pcm = np.round(samples * 32767).astype("<i2").tobytes()
    command = [sys.executable, "-m", "sedtalker", "serve", "--port", "0", "--grpc", "0", "--no-token", "--json"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        said = json.loads(server.stdout.readline())
        place, url = said["grpc"], said["url"]
        streamed(grpc.insecure_channel(place), pcm[:64_000], False)  # the first call allocates
        figures: dict[str, Any] = {"seconds": options.seconds, "load": round(os.getloadavg()[0], 1)}
        for count in options.streams:
            figures[f"given_{count}"] = of_streams(place, url, pcm, count, True)
            figures[f"recognised_{count}"] = of_streams(place, url, pcm, count, False)
        figures |= of_poses(place, url, pcm, options.poses)
    finally:
        server.terminate()
        server.wait(20)
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
