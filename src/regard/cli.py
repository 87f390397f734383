"""``regard VERB``: one command for everything.

Verbs that compose a configuration take Hydra's overrides; the others take ordinary options, since
text is not Hydra grammar. Heavy imports wait until a verb needs them.
"""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from regard.errors import RegardError

if TYPE_CHECKING:
    from regard.model.translator import Translator

app = typer.Typer(
    help="Train transformers on text and see what they attend to.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # half of the time that --help takes
)

Run = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, or a checkpoint.")]
Device = Annotated[str, typer.Option(help="Where to compute: cpu, cuda, cuda:1, ...")]
Trust = Annotated[bool, typer.Option("--trust", help="Run classes from outside regard that the checkpoint names.")]
BeamSize = Annotated[int, typer.Option("--beam-size", min=1, help="Open hypotheses a sentence; 1 is greedy.")]
LengthPenalty = Annotated[float, typer.Option(help="Power of the length penalty (Wu et al. 2016); 0 is none.")]


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    options_metavar="[KEY=VALUE ...]",
)
def train(context: typer.Context) -> None:
    """Compose, check and freeze a run, then train it. Hydra's overrides and options (--cfg job, --info, --help)."""
    from regard.runs.compose import compose_points, freeze
    from regard.runs.launch import launch, launch_sweep

    points = compose_points(context.args)
    if points:
        runs = freeze(points)
        raise typer.Exit(launch(runs[0]) if len(runs) == 1 else launch_sweep(runs))


@app.command()
def resume(
    run: Run,
    overrides: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE ...]")] = None,
) -> None:
    """Go on with a run that was stopped. Only trainer.max_steps and trainer.devices may change."""
    from regard.runs.folder import RunFolder
    from regard.runs.launch import launch
    from regard.runs.resume import prepare_resume

    folder = RunFolder.open(run)
    prepare_resume(folder, overrides or [])
    raise typer.Exit(launch(folder))


@app.command()
def translate(
    run: Run,
    beam_size: BeamSize = 1,
    length_penalty: LengthPenalty = 1.0,
    output: Annotated[Path | None, typer.Option(help="Write there instead of to stdout.")] = None,
    device: Device = "cpu",
    trust: Trust = False,
) -> None:
    """Translate stdin to stdout, line by line; an empty line stays empty."""
    from regard.runs.stream import CHUNK_LINES, decoded_lines, translate_lines

    translator = _translator(run, device, trust)
    chunk = 1 if sys.stdin.isatty() else CHUNK_LINES
    lines = decoded_lines(sys.stdin.buffer, "stdin")
    with output.open("w", encoding="utf-8") if output else nullcontext(sys.stdout) as file:
        for line in translate_lines(translator, lines, beam_size, length_penalty, _warn, chunk):
            print(line, file=file, flush=chunk == 1)


@app.command()
def evaluate(
    run: Run,
    split: Annotated[str, typer.Option(help="validation or test.")] = "test",
    beam_size: Annotated[int | None, typer.Option(min=1, help="The run's own if not given; 1 is greedy.")] = None,
    output: Annotated[Path | None, typer.Option(help="Write the outputs there, one a line.")] = None,
    device: Device = "cpu",
) -> None:
    """Score the best checkpoint of a run folder on a part of its corpus."""
    from regard.runs.evaluate import evaluate as score
    from regard.runs.folder import RunFolder

    metrics, task = score(RunFolder.open(run), split, beam_size, device)
    for name, value in metrics.items():
        print(f"{name}\t{value:.4f}")
    for name, signature in task.scorer.signatures().items():
        print(f"{name} signature\t{signature}")
    if output:
        output.write_text("".join(f"{sample.output}\n" for sample in task.samples), encoding="utf-8")


@app.command()
def attend(
    run: Run,
    source: Annotated[str, typer.Option(help="The sentence to read.")],
    target: Annotated[str | None, typer.Option(help="What it should say; its own translation if not given.")] = None,
    output: Annotated[Path | None, typer.Option(help="The page; a PNG is written beside it.")] = None,
    beam_size: BeamSize = 1,
    device: Device = "cpu",
    trust: Trust = False,
) -> None:
    """Show what the model attends to: a page and a picture."""
    from regard.observe.attend import write_attention

    page = output or (run / "attention" / "attend.html" if run.is_dir() else Path("attend.html"))
    regarded, picture = write_attention(_translator(run, device, trust), source, target, page, beam_size)
    print(regarded.target)
    print(f"page\t{page}\npicture\t{picture}")


def _translator(run: Path, device: str, trust: bool) -> Translator:
    """The model of RUN, which must be a translator's."""
    from regard.errors import UsageError
    from regard.model.translator import Translator
    from regard.runs.folder import find_checkpoint
    from regard.training.checkpoint import load_model

    loaded = load_model(find_checkpoint(run), device, trust)
    if loaded.task != "translation":
        raise UsageError(f"{run}: a {loaded.task} model, this verb needs a translation model")
    return Translator(loaded.model, loaded.source_tokenizer, loaded.target_tokenizer)


def _warn(text: str) -> None:
    print(f"regard: {text}", file=sys.stderr)


def main() -> None:
    """The command line; exit code 0 success, 1 failed, 2 wrong usage, 75 preempted."""
    try:
        app()
    except RegardError as error:
        if os.environ.get("REGARD_DEBUG"):
            raise
        print(f"regard: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("regard: stopped", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:  # the reader of our output has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


if __name__ == "__main__":
    main()
