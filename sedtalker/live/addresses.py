"""Where to send: ``livelink://host:11111``, ``vmc://``, ``vrchat://``, ``ifacialmocap://``, ``ws://`` and ``-``.

Host and port may be left out: the host is then this machine, the port the protocol's own. Options follow as in an
address of the web: ``vmc://192.168.1.20?names=vrm1``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from sedtalker.errors import InputError
from sedtalker.live.lines import LineSender
from sedtalker.live.senders import Sender

LOOPBACK = "127.0.0.1"
"""The host where none is named: nothing leaves this machine."""
OPTIONS: Mapping[str, tuple[str, ...]] = {
    "livelink": ("subject",),
    "vmc": ("names", "head"),
    "vrchat": ("prefix",),
    "ifacialmocap": ("push", "version"),
    "ws": ("origin",),
}
"""Protocols and their options."""
STDOUT = "-"
"""JSON lines on stdout."""


@dataclass(frozen=True)
class Target:
    """An address that was read.

    Attributes:
        protocol: a key of ``OPTIONS``, or ``-``.
        host: name or address.
        port: None for the protocol's own.
        options: by name.
    """

    protocol: str
    host: str
    port: int | None
    options: Mapping[str, str]


def parse_targets(texts: Sequence[str]) -> list[Target]:
    """Targets of addresses, several of which may stand in one text with commas between.

    Raises:
        InputError: no address, or one that cannot be read.
    """
    found = [parse_target(part.strip()) for text in texts for part in text.split(",") if part.strip()]
    if not found:
        raise InputError("nowhere to send: give --to, as livelink:// or vmc://127.0.0.1:39539")
    if sum(target.protocol == STDOUT for target in found) > 1:
        raise InputError("--to - is given twice; there is one stdout")
    return found


def parse_target(text: str) -> Target:
    """The target of one address.

    Raises:
        InputError: it cannot be read.
    """
    if text == STDOUT:
        return Target(STDOUT, "", None, {})
    try:
        parts = urlsplit(text)
        protocol, host, port = parts.scheme, parts.hostname, parts.port
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError:
        raise InputError(f"--to {text}: not an address; give it as vmc://127.0.0.1:39539") from None
    if protocol not in OPTIONS or not text.startswith(f"{protocol}://"):
        raise InputError(f"--to {text}: give livelink://, vmc://, vrchat://, ifacialmocap://, ws:// or -")
    if parts.path not in ("", "/") or parts.username or parts.fragment or port == 0:
        raise InputError(f"--to {text}: give {protocol}://host:port, and options after ?")
    strange = sorted(set(options) - set(OPTIONS[protocol]))
    if strange:
        raise InputError(f"--to {text}: no option {strange[0]}; {protocol} has {', '.join(OPTIONS[protocol])}")
    return Target(protocol, host or LOOPBACK, port, options)


def open_senders(targets: Sequence[Target], fps: float, write: Callable[[str], None]) -> list[Sender]:
    """A sender for each target; all or none.

    Args:
        targets: from ``parse_targets``.
        fps: frames a second that will be sent.
        write: writes a line to stdout.

    Raises:
        InputError: a host is not there, a port is taken, or an option has another value than it takes.
    """
    with ExitStack() as opened:
        senders: list[Sender] = []
        for target in targets:
            try:
                sender = _open(target, fps, write)
            except ModuleNotFoundError as error:
                raise InputError(f"{target.protocol}:// needs {error.name}: pip install 'sedtalker[live]'") from None
            opened.callback(sender.close)
            senders.append(sender)
        opened.pop_all()
        return senders


def _open(target: Target, fps: float, write: Callable[[str], None]) -> Sender:
    port: dict[str, Any] = {} if target.port is None else {"port": target.port}
    options = dict(target.options)
    match target.protocol:
        case "livelink":
            from sedtalker.live.livelink import LiveLinkSender

            return LiveLinkSender(target.host, subject=options.get("subject") or "SEDTalker", **port)
        case "vmc":
            from sedtalker.live.vmc import VmcSender

            return VmcSender(target.host, names=options.get("names", "arkit"), head=_yes(target, "head", True), **port)
        case "vrchat":
            from sedtalker.live.vrchat import VrchatSender

            return VrchatSender(target.host, prefix=options.get("prefix", ""), **port)
        case "ifacialmocap":
            from sedtalker.live.ifacialmocap import IFacialMocapSender

            version = options.get("version", "1")
            if version not in ("1", "2"):
                raise InputError(f"ifacialmocap version={version}: give 1 or 2")
            return IFacialMocapSender(target.host, push=_yes(target, "push", False), version=int(version), **port)
        case "ws":
            from sedtalker.live.websocket import WebSocketSender

            return WebSocketSender(target.host, fps=fps, origin=options.get("origin"), **port)
        case _:
            return LineSender(write, fps)


def _yes(target: Target, name: str, default: bool) -> bool:
    text = target.options.get(name)
    if text is None:
        return default
    if text not in ("yes", "no"):
        raise InputError(f"{target.protocol} {name}={text}: give yes or no")
    return text == "yes"
