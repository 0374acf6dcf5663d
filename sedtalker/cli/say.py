"""``sedtalker say``: text in, a talking face out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sedtalker.animation.option_fields import not_offered
from sedtalker.animation.performance import Performance
from sedtalker.batch.opening import coordinates_of, open_animator, open_face
from sedtalker.cli import options as o
from sedtalker.cli.animate import check_given, print_files, say_of
from sedtalker.cli.console import PIPE, fail_clearly, stdin_bytes, write_json
from sedtalker.cli.export import VisemeSetOption, VisemesOption, check_visemes, write_visemes
from sedtalker.errors import InputError
from sedtalker.reading import MOST_BYTES, decoded, read_text
from sedtalker.storage import OutputFolder


def _written(given: str) -> str:
    """The text that is given itself, by the name of its file, or by stdin."""
    if Path(given) == PIPE:
        data = stdin_bytes().read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise InputError(f"stdin: over {MOST_BYTES >> 20} MiB, too large for a text")
        return decoded(data, given)
    return read_text(Path(given), "a text") if given.lower().endswith(".txt") else given


@fail_clearly
@o.takes_options(without=not_offered("say"))
def say(
    context: typer.Context,
    text: Annotated[
        str | None,
        typer.Argument(
            metavar="TEXT|FILE.txt|-", help=r"What is said, - reads it from stdin; \[sad:0.5] before what is to be sad."
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of the results, which also have its name.")
    ] = Path("speech"),
    voice: Annotated[str | None, typer.Option(help="The voice that speaks; default: the first of --voices.")] = None,
    speed: Annotated[float, typer.Option(min=0.5, max=2.0, help="How fast it speaks.")] = 1.0,
    voices: Annotated[bool, typer.Option("--voices", help="List the voices, and end.")] = False,
    voice_model: Annotated[
        Path | None, typer.Option(help="A model of Kokoro (.onnx); default: that of sedtalker models pull tts.")
    ] = None,
    voices_file: Annotated[Path | None, typer.Option(help="Its voices (.bin or .npz); likewise.")] = None,
    options: Performance = Performance(),
    visemes: VisemesOption = None,
    viseme_set: VisemeSetOption = "oculus",
    device: o.DeviceOption = "auto",
    preset: o.PresetOption = None,
    save_preset: o.SavePresetOption = None,
    run: o.Run = o.Run(),
) -> None:
    """Speak a text and animate a face by it: writes the speech and what animate writes into a folder."""
    from sedtalker.phonetics.synthesis import Synthesizer, voice_files, voice_names

    if voices:
        names = voice_names(voice_files(voice_model, voices_file)[1])
        write_json({"voices": names}) if run.as_json else print("\n".join(names))
        return
    if text is None:
        raise InputError('give what is to be said, as sedtalker say "[happy] Hello there!"')
    from sedtalker.animation.saying import parse_tags
    from sedtalker.animation.saying import say as spoken
    from sedtalker.batch.settings import BatchSettings
    from sedtalker.batch.work import write_results

    said = _written(text)
    parts = parse_tags(said)
    settings = o.drawn_where_possible(context, BatchSettings(**vars(options)))
    settings.check()
    o.check_preset(save_preset, run.force)
    if visemes is not None:
        check_visemes(visemes, viseme_set, run.force)
    is_given = settings.emotion is not None or parts[0].text != said.strip()
    check_given(context, is_given)
    stem, synthesizer = output.name, Synthesizer(voice_model, voices_file)
    suffixes = [".wav", *settings.suffixes()]
    wanted = [stem + suffix for suffix in suffixes]
    with OutputFolder(output, wanted, run.force) as results, run.shown() as shown:
        animator = open_animator(settings, is_given, device)
        speech, animation = spoken(
            animator,
            said,
            synthesizer,
            voice=voice,
            speed=speed,
            language=settings.language or "en",
            face=open_face(settings, animator.moves_vertices, shown.hook),
            emotion=settings.emotion,
            fill_scale=settings.fill_scale,
            coordinates=coordinates_of(settings),
            motion=settings,
            hook=shown.hook,
        )
        o.save_preset(context, save_preset)
        say_of(animation, output / wanted[0], settings.emotion if settings.emotion is not None or not is_given else "")
        speech.save(results.path / wanted[0])
        if visemes is not None:
            write_visemes(visemes, viseme_set, animation.phones, speech.sound, Path(wanted[0]), settings.fps)
        sound = speech.played
        write_results(animation, sound, output / wanted[0], settings, results.path, output, shown.hook, stem)
        shown.summary(speech.sound.duration)
    print_files(output, stem, suffixes, animation, speech.sound.duration, run)
