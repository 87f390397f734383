"""Verbs that use a model: translate, evaluate and score."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from regard.cli.app import app, finite, warn
from regard.cli.models import Device, Run, Trust, load_as, load_text_generator
from regard.cli.streams import stdin_is_terminal, stdin_lines
from regard.errors import UsageError
from regard.files import require_writable

BeamSize = Annotated[int, typer.Option("--beam-size", min=1, help="Open hypotheses per sentence; 1 is greedy.")]
LengthPenalty = Annotated[
    float, typer.Option(callback=finite, help="Exponent of the length penalty (Wu et al. 2016); 0 for no penalty.")
]


@app.command()
def translate(
    run: Run,
    beam_size: BeamSize = 1,
    length_penalty: LengthPenalty = 1.0,
    output: Annotated[Path | None, typer.Option(help="Write to this file instead of stdout.")] = None,
    device: Device = "cpu",
    trust: Trust = False,
) -> None:
    """Translate stdin to stdout, line by line. Empty lines stay empty."""
    lines = stdin_lines()
    if output is not None:
        require_writable("--output", output)
    from regard.inference.stream import CHUNK_LINES, translate_lines
    from regard.inference.translator import Translator

    translator = load_as(Translator, run, device, trust)
    chunk = 1 if stdin_is_terminal() else CHUNK_LINES
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
    with output.open("w", encoding="utf-8") if output else nullcontext(sys.stdout) as file:
        for line in translate_lines(translator, lines, beam_size, length_penalty, warn, chunk):
            print(line, file=file, flush=chunk == 1)


@app.command()
def evaluate(
    run: Run,
    split: Annotated[str, typer.Option(help="Part of the corpus: validation or test.")] = "test",
    source_file: Annotated[Path | None, typer.Option(help="Text file to translate instead.")] = None,
    target_file: Annotated[
        Path | None, typer.Option(help="References, line by line; without --source-file, text for a language model.")
    ] = None,
    average: Annotated[int | None, typer.Option(min=1, help="Average this number of latest snapshots.")] = None,
    beam_size: Annotated[
        int | None, typer.Option(min=1, help="1 is greedy. Default: as configured in the run.")
    ] = None,
    length_penalty: Annotated[
        float | None, typer.Option(callback=finite, help="0 for no penalty. Default: as configured in the run.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Write the outputs to this file, one per line; drawn images to a PNG.")
    ] = None,
    device: Device = "cpu",
) -> None:
    """Evaluate the best checkpoint of a run folder on a part of its corpus, or on your own text."""
    from hydra.utils import get_object

    from regard.instantiate import build
    from regard.observe.draw.contact_sheet import Captioned, write_sheet
    from regard.runs.evaluate import evaluate_pairs, evaluate_split, evaluate_text, run_config
    from regard.runs.folder import RunFolder

    folder = RunFolder.open(run)
    config = run_config(folder, beam_size, length_penalty)
    generator = get_object(config["task"]["generator"]["_target_"])
    decodes = generator.source_option is not None
    if output and not decodes:
        raise UsageError(f"--output: the evaluation of {generator.noun} has no outputs to write; leave it out")
    if output is not None:
        require_writable("--output", output)
    if generator.input_files is None and (source_file or target_file):
        raise UsageError(
            f"--source-file, --target-file: {generator.noun} is evaluated on the data of its run; leave them out"
        )
    outputs: list[Any] = []
    signatures: dict[str, str] = {}
    if source_file is None and target_file is None:
        metrics, task = evaluate_split(folder, config, split, average, device, warn)
        outputs, signatures = [sample.output for sample in task.samples], task.scorer.signatures()
    elif target_file is None or (source_file is None) == decodes:
        raise UsageError(f"the evaluation of {generator.noun} on your own text needs {generator.input_files}")
    elif source_file is not None:
        scorer = build(config["task"]["scorer"])
        metrics, outputs = evaluate_pairs(folder, scorer, source_file, target_file, average, device, warn)
        signatures = scorer.signatures()
    else:
        metrics = evaluate_text(folder, target_file, average, device)
    for name, value in metrics.items():
        print(f"{name}\t{value:.4f}")
    for name, signature in signatures.items():
        print(f"{name} signature\t{signature}")
    if output and outputs and not isinstance(outputs[0], str):
        write_sheet(output, [Captioned(sample.source, sample.output) for sample in task.samples], columns=8)
    elif output:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text("".join(f"{line}\n" for line in outputs), encoding="utf-8")


@app.command()
def score(
    run: Run,
    tokens: Annotated[bool, typer.Option("--tokens", help="Also print the tokens of each line.")] = False,
    device: Device = "cpu",
    trust: Trust = False,
) -> None:
    """Print the log-probability (natural), number of tokens and perplexity of each line of stdin.

    A line is a document for a language model, and source TAB target for a translation model. Its end counts as a token.
    """
    from regard.inference.perplexity import perplexity
    from regard.inference.score import score_lines

    lines = stdin_lines()
    generator = load_text_generator(run, device, trust)
    total = count = 0.0
    print("log_probability\ttokens\tperplexity")
    for line in score_lines(generator, lines):
        total, count = total + line.log_probability, count + len(line.tokens)
        print(f"{line.log_probability:.4f}\t{len(line.tokens)}\t{line.perplexity:.4f}")
        if tokens:
            for piece, value in line.tokens:
                print(f"\t{value:.4f}\t{piece}")
    if count:
        warn(f"total: {total:.4f}, {count:.0f} tokens, perplexity {perplexity(-total / count):.4f}")
