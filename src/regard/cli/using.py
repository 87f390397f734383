"""The verbs that use a model, and look into it."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from regard.cli.app import app, finite, warn
from regard.cli.models import Device, Run, Trust, load, load_translator
from regard.cli.streams import stdin_is_terminal, stdin_lines
from regard.errors import UsageError
from regard.files import require_writable

BeamSize = Annotated[int, typer.Option("--beam-size", min=1, help="Open hypotheses a sentence; 1 is greedy.")]
LengthPenalty = Annotated[
    float, typer.Option(callback=finite, help="Power of the length penalty (Wu et al. 2016); 0 is none.")
]


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
    lines = stdin_lines()
    if output is not None:
        _require_text_file(output)
    from regard.inference.stream import CHUNK_LINES, translate_lines

    translator = load_translator(run, device, trust)
    chunk = 1 if stdin_is_terminal() else CHUNK_LINES
    with output.open("w", encoding="utf-8") if output else nullcontext(sys.stdout) as file:
        for line in translate_lines(translator, lines, beam_size, length_penalty, warn, chunk):
            print(line, file=file, flush=chunk == 1)


@app.command()
def evaluate(
    run: Run,
    split: Annotated[str, typer.Option(help="validation or test.")] = "test",
    source_file: Annotated[Path | None, typer.Option(help="A text of your own to translate.")] = None,
    target_file: Annotated[
        Path | None, typer.Option(help="Its translation, line by line; alone, a text for a language model.")
    ] = None,
    average: Annotated[int | None, typer.Option(min=1, help="Use the mean of so many of the latest snapshots.")] = None,
    beam_size: Annotated[int | None, typer.Option(min=1, help="The run's own if not given; 1 is greedy.")] = None,
    length_penalty: Annotated[
        float | None, typer.Option(callback=finite, help="The run's own if not given; 0 is none.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Write the outputs there, one a line.")] = None,
    device: Device = "cpu",
) -> None:
    """Score the best checkpoint of a run folder on a part of its corpus, or on a text of your own."""
    from regard.instantiate import build
    from regard.runs.evaluate import evaluate_pairs, evaluate_split, evaluate_text, run_config
    from regard.runs.folder import RunFolder

    folder = RunFolder.open(run)
    config = run_config(folder, beam_size, length_penalty)
    translates = config["task"]["name"] == "translation"
    if output and not translates:
        raise UsageError("--output: a language model's scores have no outputs line by line; leave it out")
    if output is not None:
        _require_text_file(output)
    outputs: list[str] = []
    signatures: dict[str, str] = {}
    if source_file is None and target_file is None:
        metrics, task = evaluate_split(folder, config, split, average, device, warn)
        outputs, signatures = [sample.output for sample in task.samples], task.scorer.signatures()
    elif target_file is None or (source_file is None) == translates:
        wanted = "--source-file and --target-file" if translates else "--target-file alone"
        raise UsageError(f"a {config['task']['name']} model is scored on {wanted}")
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
    if output:
        output.write_text("".join(f"{line}\n" for line in outputs), encoding="utf-8")


@app.command()
def attend(
    run: Run,
    source: Annotated[str | None, typer.Option(help="The sentence to translate; none for a language model.")] = None,
    target: Annotated[
        str | None, typer.Option(help="What it should say, or a language model read; its own translation if not given.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="The page; a PNG is written beside it.")] = None,
    megabytes: Annotated[float, typer.Option(min=0, callback=finite, help="The most that the page may take.")] = 16,
    beam_size: BeamSize = 1,
    device: Device = "cpu",
    trust: Trust = False,
) -> None:
    """Show what the model attends to: a page and a picture."""
    from regard.inference.translator import Translator
    from regard.observe.draw.attend import write_attention
    from regard.observe.record.trace import trace_text, trace_translation

    page = output or (run / "attention" / "attend.html" if run.is_dir() else Path("attend.html"))
    if page.suffix == ".png":
        raise UsageError(f"--output {page}: the page, beside which a PNG is written; end its name in .html")
    for file in (page, page.with_suffix(".png")):
        require_writable("--output", file)
    model = load(run, device, trust)
    if isinstance(model, Translator):
        if source is None or not source.strip():
            raise UsageError("--source: give a sentence to look at")
        given = [("--source", source, model.source_tokenizer), ("--target", target or "", model.target_tokenizer)]
        trace = trace_translation(model, source, target, beam_size)
    else:
        if source is not None:
            raise UsageError("--source: a language model has none; give --target alone")
        if target is None or not target.strip():
            raise UsageError("--target: give a text to look at")
        given = [("--target", target, model.tokenizer)]
        trace = trace_text(model, target)
    for option, text, tokenizer in given:
        if (tokens := len(tokenizer.encode(text))) > (most := model.model.max_length - 1):
            warn(f"{option}: {tokens} tokens, cut to the model's {most}")
    if not trace.maps.maps:
        raise UsageError(f"{run}: the model has no attention to look at; its mixer is another")
    picture, left_out = write_attention(trace, page, round(megabytes * 2**20))
    if str(left_out):
        warn(f"left out of the page, over --megabytes {megabytes:g}: {left_out}")
    print(trace.target)
    print(f"page\t{page}\npicture\t{picture}")


@app.command()
def generate(
    run: Run,
    prompt: Annotated[str | None, typer.Option(help="What to go on from; without it, the lines of stdin.")] = None,
    temperature: Annotated[float, typer.Option(min=0.0, help="0 takes the likeliest token every time.")] = 1.0,
    top_k: Annotated[int | None, typer.Option(min=1, help="Only so many of the likeliest tokens.")] = None,
    top_p: Annotated[float | None, typer.Option(help="Only the likeliest that together reach this share.")] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**64 - 1, help="The same seed writes the same; another each time.")
    ] = None,
    max_new_tokens: Annotated[int, typer.Option(min=0, help="The most tokens to write.")] = 256,
    number: Annotated[int, typer.Option(min=1, help="Continuations of each prompt.")] = 1,
    next_tokens: Annotated[
        int | None, typer.Option("--next", min=1, help="Write nothing: show so many of the likeliest next tokens.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A line of JSON for each continuation.")] = False,
    device: Device = "cpu",
    trust: Trust = False,
) -> None:
    """Go on from a prompt with a language model. Several continuations are parted by a line of dashes."""
    import json
    import math
    import secrets

    from rich.console import Console

    from regard.inference.decoding import Sampling
    from regard.inference.generate import ROWS_TOGETHER, Writer, print_next_tokens
    from regard.inference.language_model import LanguageModel

    if top_p is not None and not 0 < top_p <= 1:
        raise UsageError(f"--top-p {top_p}: give a share above 0, up to 1")
    if not math.isfinite(temperature):
        raise UsageError(f"--temperature {temperature}: give a number, 0 or more")
    prompts = stdin_lines() if prompt is None and next_tokens is None else [prompt or ""]
    model = load(run, device, trust)
    if not isinstance(model, LanguageModel):
        raise UsageError(f"{run}: a translation model, this verb needs a language model; use regard translate")
    seed = secrets.randbelow(2**32) if seed is None else seed
    writer = Writer(model, Sampling(temperature, top_k, top_p), max_new_tokens, number, seed, warn)
    if next_tokens is not None:
        if prompt is None:
            raise UsageError("--next: give --prompt too")
        print_next_tokens(writer, prompt, next_tokens, Console(highlight=False))
    elif prompt is not None and number == 1 and not as_json:
        print(prompt, end="", flush=True)
        for text in writer.stream(prompt):
            print(text, end="", flush=True)
        print()
    else:
        together = 1 if prompt is None and stdin_is_terminal() else ROWS_TOGETHER
        for count, written in enumerate(writer.write(prompts, together)):
            if as_json:
                print(json.dumps(written._asdict(), ensure_ascii=False), flush=True)
            else:
                print("---\n" * (count > 0) + written.prompt + written.text, flush=True)


@app.command()
def score(
    run: Run,
    tokens: Annotated[bool, typer.Option("--tokens", help="After each line, its tokens.")] = False,
    device: Device = "cpu",
    trust: Trust = False,
) -> None:
    """How likely is each line of stdin: log-probability (natural), tokens, perplexity.

    For a language model a line is a document, for a translation model it is source TAB target. The line's end counts
    as a token.
    """
    from regard.inference.perplexity import perplexity
    from regard.inference.score import score_lines

    lines = stdin_lines()
    model = load(run, device, trust)
    total = count = 0.0
    print("log_probability\ttokens\tperplexity")
    for line in score_lines(model, lines):
        total, count = total + line.log_probability, count + len(line.tokens)
        print(f"{line.log_probability:.4f}\t{len(line.tokens)}\t{line.perplexity:.4f}")
        if tokens:
            for piece, value in line.tokens:
                print(f"\t{value:.4f}\t{piece}")
    if count:
        warn(f"in all {total:.4f}, {count:.0f} tokens, perplexity {perplexity(-total / count):.4f}")


def _require_text_file(output: Path) -> None:
    """Raise UsageError if --output cannot be written; like a shell's >, it makes no folders."""
    if not output.parent.is_dir():
        raise UsageError(f"--output {output}: there is no folder {output.parent}; make it first")
    require_writable("--output", output)
