"""Several trained decoders in one checkpoint folder, whose output is their mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sedtalker.animation.decoder import AveragedDecoder, Decoder, DecoderConfig
from sedtalker.checkpoint import CheckpointConfig, read_checkpoint, write_checkpoint
from sedtalker.errors import InputError

CARD = """# Averaged decoder

Speech features and a dense emotion track in, coefficients of the 52 ARKit shapes out, 50 frames a second: the mean of
{count} decoders that hear differently. `sedtalker checkpoint average` made it of these, whose own cards follow.

{members}"""


def average_decoders(folders: list[Path], target: Path) -> None:
    """Write the checkpoint folder of an ``AveragedDecoder`` of the decoders in ``folders``.

    Its licence is theirs; what they were trained on is put together.

    Raises:
        InputError: fewer than two, another kind of decoder, other licences, or other styles.
    """
    if len(folders) < 2:
        raise InputError("give two decoders or more")
    configs: list[CheckpointConfig] = []
    members: list[DecoderConfig] = []
    state: dict[str, Any] = {}
    for number, folder in enumerate(folders):
        config, member, weights = read_checkpoint(folder, "decoder", DecoderConfig)
        if member.architecture != "hybrid":
            raise InputError(f"{folder}: only decoders of the hybrid architecture can be averaged")
        Decoder(member).load_state_dict(weights)
        state |= {f"members.{number}.{name}": value for name, value in weights.items()}
        configs.append(config)
        members.append(member)
    licences = {config.licence for config in configs}
    if len(licences) > 1:
        raise InputError(f"their licences differ: {', '.join(sorted(licences))}")
    model = DecoderConfig(architecture="averaged", members=tuple(members), styles=members[0].styles)
    AveragedDecoder(model).load_state_dict(state)
    cards = [(folder / "README.md").read_text(encoding="utf-8").replace("\n#", "\n##") for folder in folders]
    made = CheckpointConfig(
        kind="decoder",
        licence=configs[0].licence,
        trained_on=list(dict.fromkeys(source for config in configs for source in config.trained_on)),
        encoder_sha256=next((c.encoder_sha256 for c in configs if c.encoder_sha256), None),
        model=model.model_dump(mode="json"),
        metrics={},
    )
    text = CARD.format(count=len(folders), members="\n".join(f"#{card}" for card in cards))
    write_checkpoint(target, made, state, text)
