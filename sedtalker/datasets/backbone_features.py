"""Hidden vectors of a frozen backbone for every recording of a pool, computed once and memory-mapped.

The layers are mixed before anything is written: one vector a frame (1.5 kB for 768 channels) instead of one for each
of thirteen or twenty-five layers, which for a pool of 18 hours would be 65 to 170 GB. Choosing the mixture does not
need them: a mean over time of a weighted sum is the weighted sum of the means, so it is learned from one mean of each
layer and clip (see ``sedtalker.training.layer_weights``).

Files are named by the backbone's weights, the mixture and the names and sizes of the audio files, so that a hub
branch that moved, or a folder that was trained anew, is another cache.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from sedtalker.datasets.emotion_features import EmotionFeatures, Pool, recordings
from sedtalker.datasets.manifest import read_manifest
from sedtalker.datasets.waveforms import save_array
from sedtalker.errors import InputError
from sedtalker.speech.backbone import Backbone, hidden_vectors, layer_means
from sedtalker.whole_file import whole_file

REPORT_EVERY = 500


@dataclass(frozen=True)
class PoolAudio:
    """Where the sound of a pool comes from: folder of the training data, cache, pool."""

    data: Path
    cache: Path
    pool: Pool

    def key(self, *parts: object) -> str:
        """Hash of the names and sizes of the pool's files and whatever else a result depends on."""
        used = {*self.pool.corpora, *self.pool.joined_corpora}
        files = [[clip.path.name, clip.path.stat().st_size] for clip in read_manifest(self.data) if clip.corpus in used]
        return hashlib.sha256(json.dumps([files, *map(str, parts)]).encode()).hexdigest()[:16]


def with_backbone(
    features: EmotionFeatures, backbone: Backbone, audio: PoolAudio, report: Callable[[str], None] = lambda line: None
) -> EmotionFeatures:
    """The same features with the backbone's mixed hidden vectors (frames, D) float16 in the place of ``hidden``."""
    name = audio.key(backbone.sha256(), backbone.layer_weights)
    path = features.folder / f"hidden-{name}.npy"
    if not path.is_file():
        with whole_file(path) as temporary:
            rows = open_memmap(temporary, "w+", np.float16, (int(features.starts[-1]), backbone.channels))
            for number, (recording, _) in enumerate(recordings(audio.data, audio.cache, audio.pool)):
                first, last = _bounds(features, number, recording.samples)
                rows[first:last] = hidden_vectors(backbone, recording.samples, last - first)
                if (number + 1) % REPORT_EVERY == 0:
                    report(f"backbone: {number + 1} of {len(features)} recordings")
            rows.flush()
    return replace(features, hidden=np.load(path, mmap_mode="r"), hidden_name=name)


def clip_layer_means(
    features: EmotionFeatures, backbone: Backbone, audio: PoolAudio, report: Callable[[str], None] = lambda line: None
) -> NDArray[np.float16]:
    """Mean of every hidden state over the speech of each unaltered single clip, (clips, layers + 1, D) float16.

    These clips are the first recordings of the pool.
    """
    path = features.folder / f"layer-means-{audio.key(backbone.sha256())}.npy"
    if not path.is_file():
        count = (len(features) - audio.pool.joined) // (audio.pool.copies + 1)
        means = []
        for number, (recording, _) in enumerate(islice(recordings(audio.data, audio.cache, audio.pool), count)):
            first, last = _bounds(features, number, recording.samples)
            means.append(layer_means(backbone, recording.samples, features.speech[first:last]).astype(np.float16))
            if (number + 1) % REPORT_EVERY == 0:
                report(f"backbone: layers of {number + 1} of {count} clips")
        save_array(path, np.stack(means))
    return np.asarray(np.load(path, mmap_mode="r"))


def _bounds(features: EmotionFeatures, number: int, samples: NDArray[np.float32]) -> tuple[int, int]:
    """The frames of a recording in the cached features; those must be of the same sound."""
    first, last = int(features.starts[number]), int(features.starts[number + 1])
    if last - first != -(-len(samples) // 320):
        raise InputError(f"the audio has changed since {features.folder} was made: delete that folder")
    return first, last
