"""How many streams one server process carries: batched, and beside it each stream alone, in one run.

Both servers run real sockets on the loopback interface. Clients, in a process of their own, send sound as fast as it
is taken. ``rt`` is seconds of sound a second on the clock, of all streams: the streams it carries in real time now.
``rt_cpu`` is seconds of sound a second of the server's processor time, times the cores: the streams that as many idle
cores would carry if the work were spread evenly.

    python scripts/measure_server.py --streams 64 --seconds 8 --json
    python scripts/measure_server.py --jobs 2000                       # short recordings, and whether memory grows
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import sys
import time
from pathlib import Path
from typing import Any

SAMPLE = Path(__file__).parents[1] / "data" / "samples" / "four_moods.wav"


def run_server(batched: bool, threads: int, port: Any) -> None:
    """A server without a token, until it is killed."""
    import torch

    torch.set_num_threads(1)
    from sedtalker.server import pool
    from sedtalker.server.access import bound_socket
    from sedtalker.server.server import make_app, serve
    from sedtalker.server.service import Limits, Service

    bound = bound_socket(0)
    number = bound.getsockname()[1]
    if not batched:
        decoded = pool.together
        pool.together = lambda works: [made for work in works for made in decoded([work])]
    service = Service(Limits(clients=4096, stalled=600.0, idle=600.0), threads=threads)
    serve(make_app(service, None, "127.0.0.1", number, started=lambda: port.send(number)), service, bound)


def counters(port: int) -> dict[str, float]:
    """What ``/metrics`` says, without labels."""
    import httpx
    from prometheus_client.parser import text_string_to_metric_families

    text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=60).text
    families = text_string_to_metric_families(text)
    return {s.name: s.value for family in families for s in family.samples if not s.labels}


async def clients(port: int, streams: int, hello: dict[str, Any], sounds: list[bytes]) -> int:
    """Rows that all streams got."""
    from websockets.asyncio.client import connect

    async def one(pcm: bytes) -> int:
        address = f"ws://127.0.0.1:{port}/v1/stream"
        async with connect(address, open_timeout=600, ping_timeout=None, compression=None) as socket:
            await socket.send(json.dumps(hello))

            async def speak() -> None:
                for start in range(0, len(pcm), 10_240):
                    await socket.send(pcm[start : start + 10_240])
                await socket.send('{"type": "end"}')

            speaking = asyncio.create_task(speak())
            size = last = 0
            async for message in socket:
                if isinstance(message, bytes):
                    size += len(message)
                else:
                    last = json.loads(message).get("count", last)
            await speaking
            assert size == 4 * last * (6 + len(hello["shapes"])), "a stream lacks frames"
            return last

    return sum(await asyncio.gather(*(one(sounds[k % len(sounds)]) for k in range(streams))))


def measured(batched: bool, options: argparse.Namespace, sounds: list[bytes], hello: dict[str, Any]) -> dict[str, Any]:
    """Figures of one server."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=run_server, args=(batched, options.threads, there))
    process.start()
    try:
        port = here.recv()
        asyncio.run(clients(port, 1, hello, [sounds[0][:64_000]]))  # the first call compiles and allocates
        before, began = counters(port), time.perf_counter()
        rows = asyncio.run(clients(port, options.streams, hello, sounds))
        took, after = time.perf_counter() - began, counters(port)
    finally:
        process.terminate()
        process.join(20)
    sound = options.streams * options.seconds
    used = after["process_cpu_seconds_total"] - before["process_cpu_seconds_total"]
    count = after["sedtalker_batch_streams_count"] - before["sedtalker_batch_streams_count"]
    streams = after["sedtalker_batch_streams_sum"] - before["sedtalker_batch_streams_sum"]
    return {
        "rt": round(sound / took, 2),
        "rt_cpu": round(options.cores * sound / used, 2),
        "cpu_ms_a_stream_second": round(1000 * used / sound, 2),
        "streams_a_batch": round(streams / count, 1),
        "rows": rows,
        "rss_gb": round(after["process_resident_memory_bytes"] / 1e9, 2),
    }


WARM_JOBS = 100
"""Recordings after which memory should not grow."""


def jobs(count: int, sounds: list[bytes]) -> dict[str, Any]:
    """Recordings of a second or two, one after another, by ``POST /v1/animate``: memory and open files over time.

    Their formats change from one to the next, and every tenth cannot be read.
    """
    import httpx

    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=run_server, args=(True, 2, there))
    process.start()
    statuses: dict[int, int] = {}
    memory, files = [], []
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{here.recv()}", timeout=120) as client:
            for k in range(count):
                sound = b"no sound" if k % 10 == 9 else recording(sounds[k % len(sounds)][: 32_000 + 320 * (k % 97)])
                wanted = json.dumps({"to": [("npz", "glb", "arkit", "track")[k % 4]]})
                answer = client.post("/v1/animate", files={"audio": ("a.wav", sound)}, data={"options": wanted})
                statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1
                if k % WARM_JOBS == WARM_JOBS - 1:
                    counted = counters(client.base_url.port or 0)
                    memory.append(round(counted["process_resident_memory_bytes"] / 1e6))
                    files.append(round(counted["process_open_fds"]))
                    print(k + 1, memory[-1], "MB", files[-1], "files", file=sys.stderr)
    finally:
        process.terminate()
        process.join(20)
    return {"jobs": count, "statuses": statuses, "memory_mb": memory, "open_files": files}


def recording(pcm: bytes) -> bytes:
    """A WAV file of 16-bit samples at 16 kHz."""
    import io
    import wave

    held = io.BytesIO()
    with wave.open(held, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(pcm)
    return held.getvalue()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=0, help="so many short recordings, and no streams")
    parser.add_argument("--streams", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=8.0, help="of sound of each stream")
    parser.add_argument("--hop", type=float, default=0.32)
    parser.add_argument("--fps", type=float, default=30.0)
    parser.add_argument("--emotion", default="happy:0.8", help="diarized: what the diarizer finds")
    parser.add_argument("--threads", type=int, default=2, help="that decode")
    parser.add_argument("--cores", type=int, default=os.cpu_count(), help="that rt_cpu is for")
    parser.add_argument("--batched-only", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    import numpy as np

    from sedtalker.audio import load_audio

    whole = np.tile(np.round(load_audio(SAMPLE).samples * 32767).astype("<i2"), 20)
    count = round(options.seconds * 16_000)
    sounds = [whole[k * 7919 : k * 7919 + count].tobytes() for k in range(8)]
    hello = {"reply": "binary", "hop": options.hop, "fps": options.fps, "shapes": ["jawOpen", "mouthSmileLeft"]}
    if options.emotion != "diarized":
        hello["emotion"] = options.emotion
    if options.jobs:
        print(json.dumps(jobs(options.jobs, sounds), indent=2))
        return
    figures: dict[str, Any] = {**vars(options), "load": round(os.getloadavg()[0], 1)}
    for name, batched in (("batched", True), ("alone", False))[: 1 if options.batched_only else 2]:
        figures[name] = measured(batched, options, sounds, hello)
        print(name, figures[name], file=sys.stderr)
    if "alone" in figures:
        figures["batched_speedup"] = round(figures["batched"]["rt_cpu"] / figures["alone"]["rt_cpu"], 2)
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
