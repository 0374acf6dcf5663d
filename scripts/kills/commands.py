"""The commands that are killed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """A command that writes.

    Attributes:
        name: of the row.
        words: its arguments; ``OUT`` is the folder of the results, ``IN`` that of the inputs.
        old: other arguments, whose results are there before; none: results are never there before.
        force: arguments that let it replace results.
        kills: of it, in proportion to the other commands.
        goes_on: whether the next run goes on where a killed one was; then the results of each folder count for
            themselves, and logs and states of a training are not compared.
    """

    name: str
    words: str
    old: str = ""
    force: str = "--force"
    kills: int = 3
    goes_on: bool = False


COMMANDS = (
    Command("checkpoint convert", "checkpoint convert IN/w.pt OUT/w.safetensors", kills=22),
    Command("checkpoint convert --like", "checkpoint convert IN/w.pt OUT/w --like CHECKPOINTS/emotion_encoder",
            kills=30),
    Command("checkpoint export", "checkpoint export IN/run OUT/x", force="", kills=18),
    *(Command(f"export, {name}", f"export IN/clip.npz --to {name} -q -o OUT", "--fps 12", kills=kills)
      for name, kills in (("keys", 8), ("npy", 10), ("mdd", 8), ("pc2", 8), ("npz", 8), ("arkit", 8), ("usd", 8))),
    Command("export, several", "export IN/clip.npz --to mdd,pc2,npy,npz,keys -q -o OUT", "--fps 12", kills=24),
    Command("data index", "data index OUT/data", kills=12),
    Command("style", "style IN/clip.npz IN/clip.wav -o OUT/x.style.json", kills=6),
    Command("render, png", "render IN/clip.npz --size 64 -q -o OUT/x.png", "--light soft", kills=6),
    Command("animate", "animate IN/clip.wav --size 64 -q -o OUT/clip", "--seed 1", kills=9),
    Command("diarize", "diarize IN/clip.wav -q -o OUT/t.json --plot OUT/t.png", "--trust 0", kills=12),
    Command("render, mp4", "render IN/clip.npz --size 64 -q -o OUT/x.mp4", "--light soft", kills=9),
    Command("render, frames", "render IN/clip.npz --size 64 --frames -q -o OUT/x", "--light soft", kills=9),
    Command("train", "train experiment=vertex_decoder data=IN/corpus trainer.run_dir=OUT/run cache=CACHE/train "
            "task.coefficients=8 task.blocks={width:32,condition:8,heads:2,layout:MA,dropout:0.1} task.valid=2 "
            "task.crops=2 task.seconds=0.6 trainer.warmup=10 trainer.pictures=false trainer.steps=6 "
            "trainer.validate_every=2 trainer.minutes_between_checkpoints=0 trainer.accelerator=cpu",
            force="", kills=24, goes_on=True),
    Command("mesh register", "mesh register IN/head.obj -q -o OUT/x.sedface --picture OUT/x.png", kills=6),
    Command("batch", "batch IN/recordings -o OUT --no-video --jobs 1 -q --resume", force="", kills=24, goes_on=True),
    Command("face export", "face export amara -o OUT/x.glb", kills=6),
    Command("face show", "face show amara -o OUT/x.png --size 64", "--light soft", kills=6),
    Command("compare", "compare IN/clip.npz IN/other.npz --size 64 -q -o OUT/x.mp4", "--light soft", kills=6),
    Command("export, glb", "export IN/clip.npz --to glb -q -o OUT", "--fps 12", kills=6),
    Command("stream", "stream IN/clip.wav", force="", kills=6),
    Command("render, webm", "render IN/clip.npz --size 64 -q -o OUT/x.webm", "--light soft", kills=6),
    Command("render, gif", "render IN/clip.npz --size 64 -q -o OUT/x.gif", "--light soft", kills=6),
    Command("animate, frames and formats", "animate IN/clip.wav --size 64 --frames --to usd,npy,keys -q -o OUT/clip",
            "--seed 1", kills=6),
    Command("animate, new head", "animate IN/clip.wav --mesh IN/head.obj --no-video -q -o OUT/clip", "--seed 1",
            kills=6),
    Command("adapt", "adapt IN/voices -o OUT/my.diarizer -q", "--strength 0.4", kills=12),
    Command("visemes", "visemes IN/clip.wav -o OUT/x.tsv", "--viseme-set vrm", kills=6),
    Command("mesh inspect", "mesh inspect IN/head.obj --picture OUT/x.png", kills=3),
)  # fmt: skip
"""All of them."""
