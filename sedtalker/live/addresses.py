"""Where to send: ``livelink://host:11111``, ``vmc://``, ``vrchat://``, ``ifacialmocap://``, ``ws://`` and ``-``.

Host and port may be left out: the host is then this machine, the port the protocol's own. Options follow as in an
address of the web: ``vmc://192.168.1.20?names=vrm1``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from urllib.parse import parse_qsl, urlsplit

from sedtalker.errors import InputError
from sedtalker.live.senders import LineSender, LiveProtocol, Sender, Target
from sedtalker.plugins import load, parts_of_others

LOOPBACK = "127.0.0.1"
"""The host where none is named: nothing leaves this machine."""
PROTOCOLS: Mapping[str, LiveProtocol] = {
    "livelink": LiveProtocol("sedtalker.live.livelink:open_livelink", ("subject",)),
    "vmc": LiveProtocol("sedtalker.live.osc:open_vmc", ("names", "head")),
    "vrchat": LiveProtocol("sedtalker.live.osc:open_vrchat", ("prefix",)),
    "ifacialmocap": LiveProtocol("sedtalker.live.ifacialmocap:open_ifacialmocap", ("push", "version")),
    "ws": LiveProtocol("sedtalker.live.websocket:open_websocket", ("origin",)),
}
"""The protocols of this package; other distributions add some by entry points (``sedtalker.plugins``)."""
STDOUT = "-"
"""JSON lines on stdout."""


def known_protocol(name: str) -> LiveProtocol | None:
    """The protocol of that name, of this package or another distribution."""
    found: LiveProtocol | None = PROTOCOLS.get(name) or parts_of_others("sedtalker.live").get(name)
    return found


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
    known = known_protocol(protocol)
    if known is None or not text.startswith(f"{protocol}://"):
        raise InputError(f"--to {text}: give {', '.join(f'{name}://' for name in PROTOCOLS)} or {STDOUT}")
    if parts.path not in ("", "/") or parts.username or parts.fragment or port == 0:
        raise InputError(f"--to {text}: give {protocol}://host:port, and options after ?")
    strange = sorted(set(options) - set(known.options))
    if strange:
        raise InputError(f"--to {text}: no option {strange[0]}; {protocol} has {', '.join(known.options)}")
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
    known = known_protocol(target.protocol)
    if known is None:
        return LineSender(write, fps)
    sender: Sender = load(known.place)(target, fps)
    return sender
