"""The weights that the package knows by name: one table of what ships and one of encoders of the Hugging Face hub.

A *role* is what a network is for; each role has short names, which options and ``from_pretrained`` take. Names come
first: a folder of the same name as a model is written with a separator (``./whisper-base``).
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal

from sedtalker.errors import InputError, one_of
from sedtalker.progress import Hook, no_progress
from sedtalker.reading import is_file, is_folder
from sedtalker.storage import user_cache, whole_file

if TYPE_CHECKING:
    from sedtalker.checkpoint import CheckpointConfig

logger = logging.getLogger(__name__)

Role = Literal[
    "encoder",
    "decoder",
    "diarizer",
    "fine-grained emotions",
    "landmarks",
    "bursts",
    "speakers",
    "articulation",
    "presence",
]
"""What a network is for."""

WHISPER = "whisper-base"
"""The encoder of the hub that some of the built-in weights read."""


TERMS = {
    "CC-BY-4.0": "animations made with them need nothing; who passes the weights on names SEDTalker, the licence and "
    "what was changed",
    "ODbL-1.0": "tracks and animations may be used for anything; a published work says that it contains information "
    "from CREMA-D, available under the ODbL; who passes the weights on, also adapted, does so under the ODbL",
    "MIT": "what is made with them needs nothing; who passes the weights on keeps the notice",
}
"""What the licences of the built-in weights ask, by their SPDX names; NOTICE has their addresses."""


@dataclass(frozen=True)
class BuiltInModel:
    """Weights that come with the package.

    Attributes:
        folder: name of its checkpoint folder.
        role: what it is for.
        name: how options name it among those of its role.
        encoders: the encoders whose features it reads, by name.
        streams: whether it runs while somebody speaks.
    """

    folder: str
    role: Role
    name: str
    encoders: tuple[str, ...] = ()
    streams: bool = False

    @property
    def path(self) -> Path:
        """Its checkpoint folder."""
        from sedtalker.checkpoint import builtin_checkpoint

        return builtin_checkpoint(self.folder)

    @property
    def config(self) -> CheckpointConfig:
        """What its ``config.json`` says: kind, licence, training data, figures."""
        from sedtalker.checkpoint import read_config

        return read_config(self.path)

    @property
    def megabytes(self) -> float:
        """Size of its weights; 0 where they are missing."""
        weights = self.path / "model.safetensors"
        return weights.stat().st_size / 1e6 if is_file(weights) else 0.0


@dataclass(frozen=True)
class HubModel:
    """An encoder of the Hugging Face hub, and what its card says, so that it is known without a network.

    Attributes:
        repository: its name on the hub.
        title: name and origin.
        licence: SPDX identifier.
        parameters: number of parameters of the whole model.
        megabytes: to fetch.
        layers: whose outputs are read.
    """

    repository: str
    title: str
    licence: str
    parameters: int
    megabytes: int
    layers: tuple[int, ...]

    @property
    def pulled(self) -> PulledModel:
        """Its weights, which ``sedtalker models pull`` fetches."""
        name = self.repository.split("/")[1]
        file = ModelFile("model.safetensors", self.megabytes)
        return PulledModel(name, name, (file,), f"https://huggingface.co/{self.repository}/resolve/main", self.licence)


BUILT_IN = (
    BuiltInModel("speech_encoder", "encoder", "speech_encoder", streams=True),
    BuiltInModel("emotion_encoder", "encoder", "emotion_encoder", streams=True),
    BuiltInModel("decoder", "decoder", "decoder", ("speech_encoder",), streams=True),
    BuiltInModel("decoder_whisper_base", "decoder", WHISPER, ("speech_encoder", WHISPER)),
    BuiltInModel("diarizer", "diarizer", "diarizer", ("emotion_encoder",), streams=True),
    BuiltInModel("diarizer_whisper_base", "diarizer", WHISPER, (WHISPER, "emotion_encoder")),
    BuiltInModel("fine_emotions", "fine-grained emotions", "emotion_encoder", ("emotion_encoder",), streams=True),
    BuiltInModel("fine_emotions_whisper_base", "fine-grained emotions", WHISPER, (WHISPER,)),
    BuiltInModel("landmarks", "landmarks", "landmarks"),
    BuiltInModel("speakers", "speakers", "speakers", ("speech_encoder", "emotion_encoder")),
    BuiltInModel("articulation", "articulation", "articulation", ("speech_encoder", "emotion_encoder")),
    BuiltInModel("articulation_streaming", "articulation", "streaming", ("speech_encoder",), streams=True),
    BuiltInModel("voice_presence", "presence", "voice_presence", ("speech_encoder",), streams=True),
    BuiltInModel("burst_detector", "bursts", "burst_detector", ("emotion_encoder",), streams=True),
)
"""Everything that ships, the default of each role first."""
HUB = {WHISPER: HubModel("openai/whisper-base", "Whisper base, Radford et al. 2022", "MIT", 74_000_000, 290, (2, 3))}
"""Encoders of the hub by their short names."""


def hub_model(repository: str) -> HubModel | None:
    """What is known of a repository of the hub."""
    return next((model for model in HUB.values() if model.repository == repository), None)


def model_names(role: Role) -> dict[str, BuiltInModel]:
    """The built-in models of a role by name, the default first."""
    return {model.name: model for model in BUILT_IN if model.role == role}


def model_folder(role: Role, source: str | Path) -> Path:
    """The checkpoint folder that a user means: of the built-in model of that name, else the folder itself.

    A folder of the same name in the working folder is written ``./NAME``.

    Args:
        role: what the network is for.
        source: a name of ``model_names``, the name of a built-in folder of that role, a folder, or ``OWNER/NAME`` or
            ``OWNER/NAME@REVISION`` of the Hugging Face hub, where ``scripts/publish_models.py`` has put such a folder.

    Raises:
        InputError: neither such a model nor a folder; the message lists the names. Or what ``hub_folder`` raises.
    """
    named = model_names(role)
    known = {model.folder: model for model in named.values()} | named
    if str(source) in known:
        return known[str(source)].path
    if is_folder(Path(source)):
        return Path(source)
    more = f", and a classifier of the hub is given as hf:{source}" if role == "diarizer" else ""
    if REPOSITORY.fullmatch(str(source)):
        try:
            return hub_folder(str(source))
        except InputError as error:
            raise InputError(f"{error}{more}") from None
    raise InputError(f"{source}: no such checkpoint folder or built-in {role}: {one_of(str(source), named, more)}")


REPOSITORY = re.compile(r"\w[\w.-]*/\w[\w.-]*(@[\w./-]+)?")
"""A model on the hub: ``OWNER/NAME``, and the branch, tag or commit that is meant."""


def hub_folder(source: str) -> Path:
    """The checkpoint folder ``OWNER/NAME`` or ``OWNER/NAME@REVISION`` of the Hugging Face hub, fetched once.

    ``HF_HUB_OFFLINE=1`` forbids to ask the hub. Hashes are checked by the hub's own library.

    Raises:
        InputError: there is no such repository, it cannot be had, or it holds no weights of this program.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # read when the library is imported
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.utils import disable_progress_bars
    except ModuleNotFoundError:
        raise InputError(f"{source}: models of the hub need pip install huggingface_hub") from None
    disable_progress_bars()
    name, _, revision = source.partition("@")
    files = ["config.json", "README.md", "*.safetensors", "*.onnx", "*.onnx.data"]
    # Copies: the cache of the hub holds links, and a graph looks for its weights where the link leads.
    own = user_cache() / "hub" / source.replace("/", "--")
    with asking_the_hub(source):
        folder = Path(snapshot_download(name, revision=revision or None, allow_patterns=files, local_dir=own))
    if not is_file(folder / "config.json") or not is_file(folder / "model.safetensors"):
        raise InputError(f"{source}: its repository holds no weights of this program")
    return folder


@contextmanager
def asking_the_hub(source: str) -> Iterator[None]:
    """What the hub, its library and the network raise in the block is said in one line.

    Raises:
        InputError: ``source`` cannot be had; the line says why.
    """
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

    try:
        yield
    except HFValidationError:
        raise InputError(f"{source}: neither a folder nor a name on the hub") from None
    except RepositoryNotFoundError:  # or one that is only for some
        raise InputError(f"{source}: the hub has no such model, or wants a login for it") from None
    except Exception as error:  # those of the library and of its HTTP clients have no common class
        kinds = {kind.__name__ for kind in type(error).__mro__}
        if kinds & {"LocalEntryNotFoundError", "ConnectionError", "TransportError", "Timeout"}:
            raise InputError(f"{source}: not on this machine, and the Hugging Face hub cannot be reached") from None
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"{source}: cannot be had from the hub: {reason[:200]}") from None


def encoder_choice(encoder: str | None) -> tuple[str | None, str | None]:
    """What ``--encoder`` asks for.

    Args:
        encoder: None, ``builtin`` or the name of a built-in encoder; a name of ``HUB``; or a folder with the weights of
            a hub's encoder.

    Returns:
        The short name of the hub encoder, or None for the built-in one; and the folder of its weights, or None.

    Raises:
        InputError: neither a known name nor a folder.
    """
    if encoder in (None, "builtin", "emotion_encoder"):
        return None, None
    if encoder in HUB:
        return encoder, None
    if encoder in model_names("encoder") or not is_folder(Path(encoder)):
        known = one_of(encoder, ["builtin", *HUB], " or a folder with its weights")
        raise InputError(f"--encoder {encoder}: {known}")
    return WHISPER, encoder


def diarizer_choice(model: str | None, encoder: str | None) -> tuple[str, str | None]:
    """The diarizer that ``--model`` and ``--encoder`` name, and the folder of its encoder's weights or None.

    Raises:
        InputError: both choose, or what ``encoder_choice`` raises.
    """
    chosen, weights = encoder_choice(encoder)
    if chosen is None:
        return model or "diarizer", None
    if model is None or model in model_names("diarizer"):
        return chosen, weights
    if not is_folder(Path(model)):
        raise InputError("--encoder chooses among the built-in diarizers; leave --model out")
    return model, weights


def decoder_choice(decoder: Path | None, encoder: str | None) -> tuple[str | Path, str | None]:
    """The decoder that ``--decoder`` and ``--encoder`` name, and the folder of its encoder's weights or None.

    Raises:
        InputError: what ``encoder_choice`` raises.
    """
    chosen, weights = encoder_choice(encoder)
    return (decoder or "decoder", None) if decoder is not None or chosen is None else (chosen, weights)


# --- Models that are no part of the package: fetched once by ``sedtalker models pull`` into the user's cache.

SERVER_SECONDS = 30.0
"""Seconds without a byte after which a server is given up."""
FETCHED_BYTES = 1 << 20
"""Bytes that are fetched at once."""


@dataclass(frozen=True)
class ModelFile:
    """A file of a model: its name, its size, and its SHA-256 where that is known."""

    name: str
    megabytes: int
    sha256: str | None = None


@dataclass(frozen=True)
class PulledModel:
    """A model that ``sedtalker models pull`` fetches.

    Attributes:
        name: what the command takes, and the package's extra that uses it.
        folder: its folder in the user's cache.
        files: what it consists of.
        source: the address of their folder.
        licence: SPDX identifier.
    """

    name: str
    folder: str
    files: tuple[ModelFile, ...]
    source: str
    licence: str

    @property
    def path(self) -> Path:
        """Where its files are kept."""
        return user_cache() / self.folder

    @property
    def paths(self) -> list[Path]:
        """Its files there, whether or not they have been fetched."""
        return [self.path / file.name for file in self.files]

    def missing(self, path: Path) -> InputError:
        """What to raise where a file of it is not there."""
        return InputError(f"{path}: no such file; fetch it with sedtalker models pull {self.name}")


def pull(
    model: PulledModel, source: str | None = None, hook: Hook = no_progress, check: Callable[[Path], None] | None = None
) -> Sequence[Path]:
    """A model's files in the user's cache; what is there already is not fetched again.

    Args:
        source: the address of a folder on a server, or a folder here; default: the model's own.
        check: raises ``InputError`` where a file without a hash is not what it should be.

    Raises:
        InputError: a file cannot be had, or its hash is another one.
    """
    for file, path in zip(model.files, model.paths, strict=True):
        if is_file(path):
            continue
        place = f"{(source or model.source).rstrip('/')}/{file.name}"
        with whole_file(path) as temporary, temporary.open("wb") as out:
            found = _copied(_pieces(place), out, file, hook)
            if file.sha256 not in (None, found):
                raise InputError(f"{place}: damaged, or another file: its SHA-256 is {found}, not {file.sha256}")
            out.flush()
            if check is not None:
                check(temporary)
        if file.sha256 is None and check is None:
            logger.warning("%s: no hash of it is known to compare with; its SHA-256 is %s", file.name, found)
    return model.paths


def _opened(place: str) -> IO[bytes]:
    if "://" not in place:
        return Path(place).open("rb")
    if not place.startswith(("https://", "http://")):
        raise InputError(f"{place}: files are fetched by https:// or http://, or copied from a folder")
    from urllib.request import urlopen

    answer: IO[bytes] = urlopen(place, timeout=SERVER_SECONDS)
    return answer


def _pieces(place: str) -> Iterator[bytes]:
    """The bytes of a file of a server or of a folder; ``InputError`` where they cannot be had."""
    from http.client import HTTPException

    try:
        with _opened(place) as held:
            while piece := held.read(FETCHED_BYTES):
                yield piece
            if getattr(held, "length", 0):  # what a server's answer still owes
                raise OSError("the connection broke off")
    except (OSError, HTTPException) as error:
        raise InputError(f"{place}: cannot be had ({getattr(error, 'reason', error)}); see --from") from None


def _copied(pieces: Iterable[bytes], out: IO[bytes], file: ModelFile, hook: Hook) -> str:
    """Copy a file, not much larger than it should be; its SHA-256."""
    digest, done = hashlib.sha256(), 0
    for piece in pieces:
        done += len(piece)
        if done > 2e6 * file.megabytes:
            raise InputError(f"{file.name}: larger than the {file.megabytes} MB that it should have")
        digest.update(piece)
        out.write(piece)
        hook(f"fetching {file.name}", done >> 20, file.megabytes)
    return digest.hexdigest()
