"""The built-in weights as repositories of the Hugging Face hub, one a model.

    python scripts/publish_models.py --dry-run DIR          # only makes the folders
    python scripts/publish_models.py --owner sedtalker      # uploads them; needs hf auth login

Each folder has what the hub counts and shows: ``config.json`` at its root, ``model.safetensors``, ONNX graphs, and a
card with licence, languages, tags and measured figures. ``Diarizer.from_pretrained("OWNER/NAME")`` and ``--model``,
``--decoder`` OWNER/NAME open them.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from huggingface_hub import EvalResult, HfApi, ModelCard, ModelCardData

from sedtalker.models import BUILT_IN, TERMS, BuiltInModel
from sedtalker.training.evaluation.measures import held_out_measures, listed_metrics
from sedtalker.version import __version__

PREFIX = "sedtalker-"
"""Before the name of a folder, in that of its repository."""
TASKS = dict.fromkeys(("diarizer", "fine-grained emotions", "bursts"), "audio-classification")
"""What the hub calls tasks, by role; it has no name for the others."""
TAGS = {
    "encoder": ["speech", "feature-extraction"],
    "decoder": ["talking-head", "facial-animation", "blend-shapes", "arkit"],
    "diarizer": ["speech-emotion-recognition", "emotion-diarization"],
    "fine-grained emotions": ["speech-emotion-recognition"],
    "landmarks": ["facial-landmarks", "mesh"],
    "bursts": ["vocal-bursts", "laughter"],
    "speakers": ["speaker-diarization"],
    "articulation": ["phoneme-recognition"],
    "presence": ["voice-activity-detection"],
}
"""Tags by role."""
SPEECH = {"encoder", "decoder", "diarizer", "fine-grained emotions", "speakers", "articulation", "presence"}
"""Roles of networks trained on speech: English, and Bangla where BanglaSER is named."""


def card_of(model: BuiltInModel) -> ModelCard:
    """The card beside the weights, with what the hub reads before it."""
    config = model.config
    name = PREFIX + model.folder.replace("_", "-")
    results = [
        EvalResult(
            task_type=TASKS.get(model.role, "other"),
            dataset_type="held-out",
            dataset_name="held-out speakers (docs/results.md)",
            metric_type=measure.key,
            metric_name=measure.what,
            metric_value=round(value, 4),
        )
        for measure, value in listed_metrics(held_out_measures(config.kind, config.held_out), config.held_out)
    ]
    languages = ["en", *["bn" for corpus in config.trained_on if corpus.startswith("BanglaSER")][:1]]
    data = ModelCardData(
        license=config.licence.lower().removesuffix("-1.0"),
        library_name="sedtalker",
        language=languages if model.role in SPEECH else None,
        tags=["sedtalker", "onnx", *TAGS[model.role]],
        pipeline_tag=TASKS.get(model.role),
        model_name=name if results else None,
        eval_results=results or None,
    )
    text = (model.path / "README.md").read_text(encoding="utf-8").rstrip()
    use = f"SEDTalker {__version__}: `pip install sedtalker`. What the licence asks: {TERMS[config.licence]}."
    return ModelCard(f"---\n{data.to_yaml()}\n---\n\n{text}\n\n## Use\n{use}\n")


def make_folder(model: BuiltInModel, folder: Path) -> Path:
    """A model's repository as a folder below ``folder``; what is there already is replaced."""
    made = folder / (PREFIX + model.folder.replace("_", "-"))
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    for path in sorted(model.path.iterdir()):
        if path.suffix in (".json", ".safetensors", ".onnx") or path.name.endswith(".onnx.data"):
            shutil.copyfile(path, made / path.name)
    card_of(model).save(made / "README.md")
    return made


def main() -> None:
    """Make the folders, and upload them where an owner is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    chosen = parser.add_mutually_exclusive_group(required=True)
    chosen.add_argument("--dry-run", type=Path, metavar="DIR", help="make the folders there and upload nothing")
    chosen.add_argument("--owner", help="of the repositories")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        for model in BUILT_IN:
            folder = make_folder(model, given.dry_run or Path(scratch))
            size = sum(path.stat().st_size for path in folder.iterdir())
            print(f"{folder.name:<38}{size / 1e6:6.1f} MB  {model.config.licence}")
            if given.owner is not None:
                api, name = HfApi(), f"{given.owner}/{folder.name}"
                api.create_repo(name, exist_ok=True)
                sent = api.upload_folder(repo_id=name, folder_path=folder, commit_message=f"SEDTalker {__version__}")
                api.create_tag(name, tag=f"v{__version__}", revision=sent.oid, exist_ok=True)
                print(f"  {sent.commit_url}", file=sys.stderr)


if __name__ == "__main__":
    main()
