"""What ``--to`` takes."""

from __future__ import annotations

import socket
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sedtalker.errors import InputError
from sedtalker.live.senders import open_senders, parse_target, parse_targets
from tests.live.conftest import Receiver, frame


def test_addresses_may_be_repeated_or_separated_by_commas():
    found = parse_targets(["livelink://,vmc://10.0.0.2:4000?names=vrm1", "-"])
    assert [(t.protocol, t.host, t.port) for t in found] == [
        ("livelink", "127.0.0.1", None),
        ("vmc", "10.0.0.2", 4000),
        ("-", "", None),
    ]
    assert found[1].options == {"names": "vrm1"}
    assert parse_target("ws://:8766").port == 8766
    assert parse_target("ws://[::1]:8766").host == "::1"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "nowhere to send"),
        ("livelinc", "one of livelink, vmc"),
        ("http://localhost", "one of livelink, vmc"),
        ("vmc://host:99999", "not an address"),
        ("vmc://host:abc", "not an address"),
        ("livelink://host:abc", "give it as livelink://HOST or livelink://HOST:PORT"),
        ("vmc://host:0", "host:port"),
        ("vmc://a/b", "host:port"),
        ("vmc://[::1", "not an address"),
        ("vmc://?nose=big", "no option nose"),
        ("livelink:host", "give livelink://, or"),
        ("vmc", "give vmc://, or vmc://host:port"),
        ("-,-", "one stdout"),
    ],
)
def test_anything_else_is_refused_in_one_line(text: str, says: str):
    with pytest.raises(InputError, match=says) as caught:
        parse_targets([text])
    assert "\n" not in str(caught.value)


@given(st.text(max_size=30))
def test_no_text_breaks_it(text: str):
    with suppress(InputError):
        parse_targets([text])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("vmc://no.such.host.invalid", "no such host"),
        ("ws://no.such.host.invalid", "no such host"),
        ("ws://a..b", "no such host"),
        ("vmc://?names=latin", "names=latin"),
        ("vmc://?head=maybe", "give yes or no"),
        ("ifacialmocap://?version=3&push=yes", "version=3"),
    ],
)
def test_what_cannot_be_opened_is_one_line(text: str, says: str):
    with pytest.raises(InputError, match=says):
        open_senders(parse_targets([text]), 60.0, print)


def test_all_are_opened_or_none(receiver: Receiver):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        texts = ["ifacialmocap://127.0.0.1:51983", f"ws://127.0.0.1:{port}"]
        with pytest.raises(InputError, match=f"ws://127.0.0.1:{port}: cannot serve there"):
            open_senders(parse_targets(texts), 60.0, print)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
            again.bind(("127.0.0.1", 51983))
    lines: list[str] = []
    senders = open_senders(parse_targets([f"livelink://{receiver.host}:{receiver.port}", "-"]), 60.0, lines.append)
    for sender in senders:
        sender.send(frame())
    for sender in senders:
        sender.close()
    assert receiver.packet()[:4] == b"\x06\0\0\0"
    assert len(lines) == 2
