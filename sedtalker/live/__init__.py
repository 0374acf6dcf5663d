"""The moving face sent to engines, avatars and web pages while somebody speaks, or from a finished animation.

``senders`` and its neighbours write the protocols, ``addresses`` reads where to send, ``pacing`` keeps the clock,
``microphone`` has sound in and out, ``session`` puts them together.
"""

from sedtalker.live.senders import open_senders, parse_targets
from sedtalker.live.session import LiveSettings, play_animation, play_live, play_sound

__all__ = ["LiveSettings", "open_senders", "parse_targets", "play_animation", "play_live", "play_sound"]
