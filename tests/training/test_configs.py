"""Every config of the project is composed and accepted by what it configures."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from sedtalker.checkpoint import builtin_checkpoint
from sedtalker.errors import InputError
from sedtalker.training.published.published_decoder import PublishedDecoderTaskConfig
from sedtalker.training.published.published_diarizer import PublishedDiarizerTaskConfig
from sedtalker.training.run import TASKS, cache_folder, choices, compose, config_folder, make_task, train
from sedtalker.training.task import TrainerConfig, learning_rate
from sedtalker.training.tasks.decoder import DecoderTaskConfig
from sedtalker.training.tasks.emotion_encoder import EmotionEncoderTaskConfig
from sedtalker.training.tasks.fine_emotions import FineEmotionsTaskConfig
from sedtalker.training.tasks.frame_network import FrameNetworkTaskConfig
from sedtalker.training.tasks.landmarks import LandmarksTaskConfig
from sedtalker.training.tasks.noise_robust_encoder import NoiseRobustEncoderTaskConfig
from sedtalker.training.tasks.personal_decoder import PersonalDecoderTaskConfig
from sedtalker.training.tasks.speakers import SpeakersTaskConfig
from sedtalker.training.tasks.speech_encoder import SpeechEncoderTaskConfig
from sedtalker.training.tasks.transfer_diarizer import TransferDiarizerTaskConfig
from sedtalker.training.tasks.vertex_decoder import VertexDecoderTaskConfig

SCHEMAS: dict[str, type[BaseModel]] = {
    "decoder": DecoderTaskConfig,
    "emotion_encoder": EmotionEncoderTaskConfig,
    "transfer_diarizer": TransferDiarizerTaskConfig,
    "fine_emotions": FineEmotionsTaskConfig,
    "frame_network": FrameNetworkTaskConfig,
    "landmarks": LandmarksTaskConfig,
    "noise_robust_encoder": NoiseRobustEncoderTaskConfig,
    "personal_decoder": PersonalDecoderTaskConfig,
    "published_decoder": PublishedDecoderTaskConfig,
    "published_diarizer": PublishedDiarizerTaskConfig,
    "speakers": SpeakersTaskConfig,
    "speech_encoder": SpeechEncoderTaskConfig,
    "vertex_decoder": VertexDecoderTaskConfig,
}


def names(group: str) -> list[str]:
    return sorted(path.stem for path in (config_folder() / group).glob("*.yaml"))


@pytest.mark.parametrize("debug", [None, *names("debug")])
@pytest.mark.parametrize("experiment", choices("experiment"))
def test_every_experiment_is_accepted(experiment: str, debug: str | None) -> None:
    overrides = [f"experiment={experiment}", "trainer.run_dir=unused", "encoder=builtin"]
    config = compose(overrides + ([f"debug={debug}"] if debug else []))
    task = dict(config["task"])
    schema = SCHEMAS[task.pop("name")]
    accepted = schema.model_validate(task)
    assert set(task) <= set(schema.model_fields)
    assert accepted.model_dump()
    trainer = TrainerConfig(**config["trainer"])
    assert learning_rate(trainer.warmup, trainer) == pytest.approx(trainer.lr)
    if debug == "fast":
        assert trainer.steps == 2
        assert config["fast"]
        assert config["trainer"]["accumulate"] == 1
        module, kind = TASKS[config["task"]["name"]].split(":")
        quick = getattr(import_module(f"sedtalker.training.{module}"), kind).fast
        assert schema.model_validate({**task, **quick})
    if debug == "overfit":
        assert trainer.overfit


@pytest.mark.parametrize(
    ("experiment", "setting"),
    [
        ("decoder_closures", "trainer.run_dir=unused"),
        ("decoder", "task.start=DIR"),
        ("speech_encoder_noise", "task.start=DIR"),
        ("speech_encoder_noise", "task.weights=DIR"),
        ("speakers", "++task.beside=DIR"),
        ("transfer_diarizer", "task.frame_networks=[DIR]"),
    ],
)
def test_a_checkpoint_of_another_kind_is_refused_before_any_data(experiment: str, setting: str, tmp_path: Path) -> None:
    for folder, why in ((builtin_checkpoint("diarizer"), "of kind diarizer"), (tmp_path, "not a checkpoint folder")):
        config = compose([f"experiment={experiment}", setting.replace("DIR", str(folder)), "trainer.run_dir=unused"])
        task = dict(config["task"])
        with pytest.raises(InputError, match="not a checkpoint folder" if "task" not in setting else why):
            make_task(task.pop("name"), task, tmp_path, tmp_path)


@pytest.mark.parametrize("experiment", ["transfer_diarizer", "frame_network", "speakers", "speech_encoder_noise"])
def test_a_corpus_by_two_names_is_refused(experiment: str, tmp_path: Path) -> None:
    twice = [f"++task.corpora.{name}=0.3" for name in ("crema_d", "cremad")]
    task = dict(compose([f"experiment={experiment}", "trainer.run_dir=unused", *twice])["task"])
    with pytest.raises(InputError, match=r"^task.corpora: \w+ and \w+ are one corpus: leave one out$"):
        make_task(task.pop("name"), task, tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"corpora": {"cremad": -1.0, "librispeech": 2.0}}, "task.corpora: shares must not be negative"),
        ({"corpora": {"cremad": 0.0}}, "task.corpora: shares .* one of them more than 0"),
        ({"speakers": [0.5, 0.6, 0.3]}, "task.speakers: .* add up to 1"),
        ({"speakers": [1.0]}, "task.speakers: .* one, two and three"),
    ],
)
def test_shares_that_nothing_can_be_drawn_by_are_refused(settings: dict[str, Any], why: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=why):
        make_task("speakers", settings, tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("task", "settings", "why"),
    [
        ("noise_robust_encoder", {"corpora": {"librispeech": 1.0, "ljspeech": 1.0}}, "task.corpora: .* more than 1"),
        ("noise_robust_encoder", {"share": 1.5}, "task.share=1.5: .* less than or equal to 1"),
        ("transfer_diarizer", {"intensities": {"cremad": (0.8, 0.8)}}, "task.intensities: .* more than 1"),
        ("transfer_diarizer", {"copy_weight": {2: -1.0}}, "task.copy_weight.2=-1.0: .* greater than or equal to 0"),
        ("transfer_diarizer", {"calm": {"librispeech": -1.0}}, "task.calm.librispeech=-1.0: .* greater than or equal"),
        ("transfer_diarizer", {"calm_share": 1.0}, "task.calm_share=1.0: .* less than 1"),
        ("decoder", {"copies": 0}, "task.copies=0: .* more than 0"),
        ("decoder", {"workers": 0}, "task.workers=0: .* more than 0"),
        ("speech_encoder", {"read_speech_copies": 0}, "task.read_speech_copies=0: .* more than 0"),
    ],
)
def test_settings_that_training_could_not_end_with_are_refused(
    task: str, settings: dict[str, Any], why: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=why):
        make_task(task, settings, tmp_path, tmp_path)


@pytest.mark.parametrize("encoder", names("encoder"))
def test_every_encoder_goes_under_a_decoder_of_vertices(encoder: str) -> None:
    config = compose(["experiment=vertex_decoder", "trainer.run_dir=unused", f"encoder={encoder}"])
    task = dict(config["task"])
    assert SCHEMAS[task.pop("name")].model_validate(task)


def test_a_cache_that_cannot_be_made_is_said_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cache: cannot be written"):
        cache_folder(str(tmp_path / "file" / "cache"))


def test_every_trainer_setting_is_in_the_config() -> None:
    config = compose(["experiment=decoder", "trainer.run_dir=unused"])
    assert set(config["trainer"]) == set(TrainerConfig.model_fields)


def test_every_task_has_its_experiment(tmp_path: Path) -> None:
    used = {compose([f"experiment={name}", "trainer.run_dir=x"])["task"]["name"] for name in choices("experiment")}
    assert used == set(SCHEMAS)
    with pytest.raises(InputError, match="use one of speech_encoder"):
        make_task("nothing", {}, tmp_path, tmp_path)
    for name in used:
        with pytest.raises(InputError) as told:
            make_task("nothing", {}, tmp_path, tmp_path)
        assert name in str(told.value)


def test_an_unknown_experiment_names_those_that_are() -> None:
    with pytest.raises(InputError, match="sedtalker_paper/decoder"):
        compose(["experiment=nothing", "trainer.run_dir=x"])


def test_a_run_gets_a_folder_of_its_own() -> None:
    for given in ([], ["trainer.run_dir="]):  # as of an empty variable of a shell
        made = compose(["experiment=sedtalker_paper/decoder", *given])["trainer"]["run_dir"]
        assert made.startswith("runs/sedtalker_paper/decoder/20")


def test_a_cache_that_cannot_be_a_folder_is_refused_before_the_data(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    config = compose(["experiment=fine_emotions", f"trainer.run_dir={tmp_path / 'run'}", f"data={tmp_path}"])
    with pytest.raises(InputError, match=r"file is a file; name a folder"):
        train(config | {"cache": str(tmp_path / "file")})


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("trainer=null", "trainer=null: this takes"),
        ("trainer.steps=abc", "trainer.steps=abc: Input should be a valid integer"),
        ("trainer.steps=0", "trainer.steps=0: Input should be greater"),
        ("trainer.schedule=steps", "trainer.schedule=steps: Input should be 'cosine', 'constant' or 'linear'"),
        ("task=null", "task=null: Input should be a valid object"),
        ("data=5", "data=5: Input should be a valid string"),
        ("+odd=1", "odd=1: there is no such option"),
        ("trainer.odd=1", "trainer.odd: not in the config of this experiment; ++trainer.odd=VALUE adds it"),
        ("task.corpora={mine:1}", "task.corpora: its entries are set one by one: ++task.corpora.KEY=VALUE adds one"),
        ("trainer.stpes=1", "trainer.stpes: not in the config of this experiment; did you mean trainer.steps?"),
        ("encoder=huber", "Could not find 'encoder/huber': did you mean hubert?"),
        ("seed=1", "seed: not in the config of this experiment; did you mean trainer.seed?"),
        ("trainer.seed=99999999999999999999", "trainer.seed=99999999999999999999: Input should be less than"),
        ("trainer.threads=1000000", "trainer.threads=1000000: Input should be less than or equal to 1024"),
        ("trainer.lr=-1", "trainer.lr=-1: Input should be greater than or equal to 0"),
        ("trainer.lr=nan", "trainer.lr=nan: Input should be a finite number"),
        ("trainer.betas=[2,3]", "trainer.betas.0=2: Input should be less than 1"),
        ("trainer.precision=8", "trainer.precision=8: Input should be '32-true', "),
        ("trainer.accelerator=gpuu", "trainer.accelerator=gpuu: Input should be 'auto', "),
    ],
)
def test_a_wrong_setting_is_one_line_before_any_data_are_read(override: str, said: str) -> None:
    with pytest.raises(InputError) as error:
        compose(["experiment=transfer_diarizer", override])
    assert str(error.value).startswith(said)
    assert "\n" not in str(error.value)


def test_a_device_that_is_not_there_is_refused_before_any_data_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    for name in ("cuda", "gpu", "mps"):
        with pytest.raises(InputError, match=f"trainer.accelerator={name}: torch finds none on this machine"):
            compose(["experiment=vertex_decoder", f"trainer.accelerator={name}"])


@pytest.mark.parametrize("schema", SCHEMAS.values())
def test_no_task_has_a_negative_number_or_zero_crops(schema: type[BaseModel]) -> None:
    needed = {"corpora": {}} if schema.model_fields.get("corpora", FieldInfo()).is_required() else {}
    numbers = [name for name, field in schema.model_fields.items() if field.annotation in (int, float)]
    for name, value in [*((name, -1) for name in numbers), *((name, 0) for name in ("crops", "seconds"))]:
        if name in schema.model_fields:
            with pytest.raises(ValidationError, match=name):
                schema.model_validate({**needed, name: value})
