"""Which options a command, the server or the studio does not offer, and why."""

from __future__ import annotations

HEAD = "mesh mesh_head landmarks rig open_mouth mouth eyes strength rig_names"
"""Options of a head from a file."""
NETWORKS = "model encoder enroll trust decoder"
"""Options of what is opened before a recording is read."""
CONVERSATION = "speakers others listening shot"
"""Options of a recording of several speakers."""
NOT_OFFERED: dict[str, dict[str, str]] = {
    "batch": {
        "words": "one recording's words: a column of a manifest, or --words-beside",
    },
    "say": {
        "transcript words": "the text says them",
        "enroll max_seconds": "of recordings",
        CONVERSATION: "one voice speaks",
    },
    "stream": {
        "min_confidence": "a segment's confidence is known at its end",
        "smooth": "a mean of frames to come would delay the lips",
        "liveliness": "the rhythm of a phrase is known at its end",
    },
    "server": {
        HEAD: "names files of the server, which gets its faces when it starts",
        NETWORKS: "the server opens its networks when it starts",
        "coordinates words background camera": "may name a file of the server",
        "renderer video video_format": "the server draws mp4 where it is among the results",
        CONVERSATION: "an answer of the server is about one face; its limits are those of one speaker",
        "max_seconds": "a limit of the server",
    },
    "studio": {
        HEAD + " face": "a head is opened in the page",
        NETWORKS + " emotion coordinates fill_scale max_seconds": "of the opened recording, or edited in the track",
        CONVERSATION: "speakers are found when a recording is opened",
        "transcript words language": "words are shown beside the track; lips do not follow them yet",
        "size camera background renderer video video_format to targets": "asked for at each export",
    },
}
"""Options that somebody does not offer, and why; a test compares it with what they take."""


def not_offered(where: str) -> frozenset[str]:
    """The options that the command, server or studio of this name does not offer."""
    return frozenset(name for names in NOT_OFFERED[where] for name in names.split())
