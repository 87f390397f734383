"""Verbs that analyse a model: word alignment, measures of heads, nearest neighbours of words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from regard.cli.app import app, warn
from regard.cli.drawing import refuse
from regard.cli.models import Device, Run, Trust, as_text_generator, load, load_as
from regard.errors import UsageError
from regard.files import require_writable

if TYPE_CHECKING:
    from regard.data.corpora.links import Links

Gold = Annotated[
    Path | None, typer.Option(help="Gold links, one line per pair: 0-0 1-2 3?4 (- is sure, ? is possible).")
]


@app.command()
def align(
    run: Run,
    source: Annotated[str | None, typer.Option(help="A sentence.")] = None,
    target: Annotated[str | None, typer.Option(help="Its translation.")] = None,
    source_file: Annotated[Path | None, typer.Option(help="File with one sentence per line.")] = None,
    target_file: Annotated[Path | None, typer.Option(help="File with their translations, line by line.")] = None,
    split: Annotated[str | None, typer.Option(help="Part of the corpus of the run: validation or test.")] = None,
    gold: Gold = None,
    layer: Annotated[int | None, typer.Option(help="Default: the best layer on the validation part.")] = None,
    head: Annotated[str | None, typer.Option(help="A number, or mean. Default: the best head.")] = None,
    device: Device = "cpu",
    trust: Trust = False,
) -> None:
    """Align words from cross-attention. Prints SOURCE-TARGET links, counted from 0, one line per pair."""
    from regard.analysis.align import align_pairs, read_gold, read_split, report_errors
    from regard.analysis.aligner import choose_aligner, rank_by_links
    from regard.data.corpora.reading.lines import read_pairs
    from regard.inference.translator import Translator
    from regard.runs.folder import RunFolder, find_run

    given = [source is not None or target is not None, bool(source_file or target_file), split is not None]
    if sum(given) != 1 or (source is None) != (target is None) or (source_file is None) != (target_file is None):
        raise UsageError("expected --source and --target, or --source-file and --target-file, or --split")
    if source is not None and target is not None and not (source.strip() and target.strip()):
        raise UsageError("--source or --target is empty: expected a sentence and its translation")
    translator = load_as(Translator, run, device, trust)
    links: list[Links] | None = None
    if split is not None:
        pairs, links = read_split(RunFolder.open(run), split, warn)
    elif source_file is not None and target_file is not None:
        pairs = list(read_pairs(source_file, target_file))
    else:
        pairs = [(source or "", target or "")]
    if gold is not None:
        links = read_gold(gold, pairs)
    if split == "validation" and gold is not None and links is not None:
        aligner, why = rank_by_links(translator, pairs, links, str(gold), warn).best(layer, head)
    else:
        folder = find_run(run)
        aligner, why = choose_aligner(folder, translator, pairs, layer, head, warn)
    found = []
    for one in align_pairs(translator, aligner, pairs, warn):
        found.append(one)
        print(" ".join(f"{a}-{b}" for a, b in sorted(one)))
    warn(f"aligned with {aligner}; {why}")
    for line in report_errors(found, links, pairs) if links is not None else ():
        warn(line)


@app.command()
def heads(
    run: Run,
    sentences: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of pairs, blocks or images. Default: 200 pairs or 32 blocks, at most 8,192 target tokens; "
            "200 images.",
        ),
    ] = None,
    source_file: Annotated[Path | None, typer.Option(help="Your own sentences, one per line.")] = None,
    target_file: Annotated[
        Path | None, typer.Option(help="Their translations; without --source-file, text for a language model.")
    ] = None,
    gold: Gold = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON per head.")] = False,
    output: Annotated[Path | None, typer.Option(help="Folder for the pictures. Default: RUN/heads.")] = None,
    wandb: Annotated[bool, typer.Option("--wandb", help="Add table and pictures to the W&B run of RUN.")] = False,
    device: Device = "cpu",
    trust: Trust = False,
) -> None:
    """Measure each head: entropy, what it attends to, word alignment, and the loss without the head.

    The picture heads.png describes the measures.
    """
    import json

    from rich.console import Console

    from regard.analysis.drawing_heads import report_drawing_heads
    from regard.analysis.head_report import PICTURES, log_to_wandb, require_not_running, write_pictures
    from regard.analysis.heads import report_text_heads
    from regard.inference.drawing.text_to_image import TextToImage
    from regard.runs.folder import find_run

    folder = find_run(run)
    if wandb and folder is None:
        raise UsageError("--wandb: a checkpoint has no W&B run; give a run folder")
    if wandb and folder is not None:
        require_not_running(folder)
    place = output or (run / "heads" if run.is_dir() else Path("heads"))
    for name in PICTURES:
        require_writable("--output", place / name)
    model = load(run, device, trust)
    if isinstance(model, TextToImage):
        refuse({"--source-file": source_file, "--target-file": target_file, "--gold": gold}, model.noun)
        report = report_drawing_heads(model, folder, sentences, warn)
    else:
        generator = as_text_generator(run, model)
        report = report_text_heads(generator, folder, sentences, source_file, target_file, gold, warn)
    pictures = write_pictures(report, place)
    if as_json:
        for row in report.rows:
            print(json.dumps(row))
    else:
        console = Console(highlight=False)
        console.width = max(console.width, 140)
        console.print(report.table)
    for line in [*report.lines, *(f"picture\t{path}" for path in pictures)]:
        warn(line)
    if wandb and folder is not None:
        log_to_wandb(folder, report, pictures)


@app.command()
def neighbours(
    run: Run,
    word: Annotated[str, typer.Option(help="A word. The embedding of several pieces is their mean.")],
    number: Annotated[int, typer.Option(min=1, help="Number of neighbours.")] = 10,
    side: Annotated[
        str | None, typer.Option(help="Vocabulary: source or target. Default: source if there is one.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Write a map of the neighbours to this .png or .html.")] = None,
    device: Device = "cpu",
    trust: Trust = False,
) -> None:
    """List the tokens with the nearest embeddings to a word, by cosine, and draw a map of them."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from regard.analysis.neighbours import input_embeddings
    from regard.observe.draw.neighbours_map import require_suffix, write_projection
    from regard.observe.measure.neighbours import find_neighbourhood, project

    if output is not None:
        require_suffix(output)
        require_writable("--output", output)
    embeddings, tokenizer = input_embeddings(load(run, device, trust), side)
    around = find_neighbourhood(embeddings, tokenizer, word, number)
    if len(around.pieces) > 1:
        warn(
            f"{word} has {len(around.pieces)} pieces ({' '.join(around.pieces)}): the mean of their embeddings is used"
        )
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("token", no_wrap=True)
    table.add_column("cosine", justify="right")
    for neighbour in around.neighbours:
        table.add_row(Text(neighbour.piece), f"{neighbour.cosine:.3f}")
    Console(highlight=False).print(table)
    if output is not None:
        write_projection(around, project(embeddings, tokenizer, around), output)
        warn(f"map\t{output}")
