# ruff: noqa: E501
"""Readers of small files that say how something is done, and of options."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from sedtalker.errors import InputError
from tests.fuzz import hostile, seeds
from tests.fuzz.target import JSON, TEXT, Target, and_any, option_text, plain_object, texts, written


def _landmarks(data: bytes) -> None:
    from sedtalker.face.given_landmarks import given_landmarks

    given_landmarks(written("input.json", data), _head().mesh, _reference())


@cache
def _head() -> Any:
    from sedtalker.face import Face

    return Face.builtin()


@cache
def _reference() -> Any:
    head = _head()
    return head.mesh.vertices[head.landmarks].astype(np.float64)


def _camera(data: bytes) -> None:
    from sedtalker.render.picture import viewpoint
    from tests.support.cube import cube_mesh

    written("camera.json", data)
    camera = viewpoint("camera.json").of(cube_mesh())
    with np.errstate(all="ignore"):
        camera.projection(1.5)


def _light(data: bytes) -> None:
    from sedtalker.render.light import load_lighting

    written("light.json", data)
    load_lighting.cache_clear()
    load_lighting("light.json")


def _style(data: bytes) -> None:
    from sedtalker.animation.style import read_style

    read_style(written("style.json", data))


def _coordinates(data: bytes) -> None:
    from sedtalker.emotion.taxonomy import read_coordinates

    read_coordinates(written("coordinates.json", data))


def _preset(data: bytes) -> None:
    import typer
    from typer.main import get_command

    from sedtalker.cli.main import app
    from sedtalker.cli.options import read_preset

    written("a.wav", b"RIFF")
    command = get_command(app).commands["animate"]  # type: ignore[attr-defined]
    context = command.make_context("animate", [], resilient_parsing=True)
    try:
        read_preset(context, written("preset.json", data))
        command.make_context("animate", ["a.wav", "--preset", "preset.json"])
    except typer.BadParameter as error:
        raise InputError(str(error)) from None
    except Exception as error:  # click's own, which become one line and exit 2
        if not hasattr(error, "exit_code"):
            raise
        raise InputError(getattr(error, "message", str(error))) from None


def _text_options(data: bytes) -> None:
    """Options of a recording that are text."""
    from sedtalker.batch.settings import parse_settings

    text = option_text(data)
    name, _, value = text.partition("=")
    parse_settings({name: value}).check()


def _settings(data: bytes) -> None:
    from sedtalker.batch.settings import parse_settings

    held = plain_object(data)
    settings = parse_settings(held)
    settings.check()
    settings.suffixes()
    settings.fingerprint()


def _addresses(data: bytes) -> None:
    from sedtalker.live.senders import parse_targets

    parse_targets([option_text(data)])


def _arkit(data: bytes) -> None:
    from sedtalker.export.arkit import read_arkit_csv

    read_arkit_csv(written("input.csv", data))


SETTINGS = '{"emotion": "happy:0.8", "style": "clear", "gain": "brows=1.2", "fps": 25, "size": "640x480", "camera": "left", "background": "#88aacc", "to": "glb;usd", "light": "soft", "seed": 3, "only": ["npz"]}'

TARGETS = (
    Target("landmarks", seeds.landmarks, _landmarks, JSON, and_any(hostile.json_text)),
    Target("camera", texts('{"yaw": 10, "pitch": 5, "fov": 20, "zoom": 1.2}', '{"position": [0, 0, 1], "target": [0, 0, 0], "up": [0, 1, 0], "fov": 30}'), _camera, JSON, and_any(hostile.json_text), 0.5),
    Target("light", texts('{"lights": [{"azimuth": 20, "elevation": 30, "colour": [1, 1, 1], "strength": 1}], "shadow": 0.5}'), _light, JSON, and_any(hostile.json_text), 0.5),
    Target("style", texts('{"format": "sedtalker-style", "version": 1, "style": {"articulation": 0.5}}'), _style, JSON, and_any(hostile.json_text), 0.5),
    Target("coordinates", texts('{"happy": [0.7, 0.4], "anger": [-0.4, 0.8]}'), _coordinates, JSON, and_any(hostile.json_text), 0.5),
    Target("preset", texts('{"fps": 25, "style": "clear", "gain": ["brows=1.2"], "video": false}'), _preset, JSON, and_any(hostile.json_text), 0.7),
    Target("options as text", texts("style=articulation=0.5", "gain=brows=1.2;jawOpen=.5", "size=640x480", "background=#123456,white", "camera=left", "emotion=happy:0.8", "light=soft", "to=glb,usd", "encoder=x", "model=hf:a/b", "coordinates=dietrich2026"), _text_options, TEXT, tuple, 0.7),
    Target("options as JSON", texts(SETTINGS), _settings, JSON, and_any(hostile.json_text), 0.7),
    Target("addresses", texts("vmc://127.0.0.1:39539?names=vrm1", "livelink://host:11111,ws://:80?origin=*", "-"), _addresses, TEXT, and_any(), 0.5),
    Target("ARKit .csv", lambda: [seeds.arkit_csv()], _arkit, TEXT, and_any(hostile.tables)),
)  # fmt: skip
"""These readers."""
