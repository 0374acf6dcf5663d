"""A decoder and the ears that lead it, in one checkpoint folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sedtalker.animation.decoder import DecoderConfig, DecoderWithEars
from sedtalker.animation.ears import load_ears
from sedtalker.checkpoint import read_checkpoint, read_config, write_checkpoint
from sedtalker.errors import InputError

CARD = """# Decoder with ears

Speech features and a dense emotion track in, coefficients of the 52 ARKit shapes out, 50 frames a second: a decoder and
{count} that lead its mouth where nothing is acted. `sedtalker checkpoint ears` made it of these, whose own cards
follow.

{parts}"""


def give_ears(decoder: Path, ears: Sequence[Path], target: Path) -> None:
    """Write the checkpoint folder of a ``DecoderWithEars``.

    Its licence is theirs; what they were trained on is put together.

    Raises:
        InputError: no ears, another kind of checkpoint, or other licences.
    """
    if not ears:
        raise InputError("give one ear or more")
    described, config, weights = read_checkpoint(decoder, "decoder", DecoderConfig)
    heard = load_ears(ears)
    model = DecoderConfig(
        architecture="with_ears", decoder=config, ears=heard.configs, hidden=config.hidden, styles=config.styles
    )
    state = {f"decoder.{name}": value for name, value in weights.items()}
    state |= {f"ears.{name}": value for name, value in heard.state_dict().items()}
    DecoderWithEars(model).load_state_dict(state)
    configs = [described, *(read_config(folder) for folder in ears)]
    licences = {c.licence for c in configs}
    if len(licences) > 1:
        raise InputError(f"their licences differ: {', '.join(sorted(licences))}")
    cards = [(folder / "README.md").read_text(encoding="utf-8").replace("\n#", "\n##") for folder in (decoder, *ears)]
    made = described.model_copy(
        update={
            "trained_on": list(dict.fromkeys(source for c in configs for source in c.trained_on)),
            "model": model.model_dump(mode="json"),
            "metrics": {},
        }
    )
    count = "an ear" if len(ears) == 1 else f"{len(ears)} ears"
    write_checkpoint(target, made, state, CARD.format(count=count, parts="\n".join(f"#{card}" for card in cards)))
