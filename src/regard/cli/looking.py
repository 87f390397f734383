"""The verbs that look into a model: what its heads do, which words it aligns, which it holds for alike."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from regard.cli.app import app, warn
from regard.cli.models import Device, Run, Trust, load, load_translator
from regard.errors import UsageError
from regard.files import require_writable

if TYPE_CHECKING:
    from regard.data.corpora.links import Links

Gold = Annotated[
    Path | None, typer.Option(help="Links that are right, a line a pair: 0-0 1-2 3?4 (sure with -, possible with ?).")
]


@app.command()
def align(
    run: Run,
    source: Annotated[str | None, typer.Option(help="A sentence.")] = None,
    target: Annotated[str | None, typer.Option(help="Its translation.")] = None,
    source_file: Annotated[Path | None, typer.Option(help="Sentences, one a line.")] = None,
    target_file: Annotated[Path | None, typer.Option(help="Their translations, line by line.")] = None,
    split: Annotated[str | None, typer.Option(help="validation or test: that part of the run's own corpus.")] = None,
    gold: Gold = None,
    layer: Annotated[int | None, typer.Option(help="The best one on validation if not given.")] = None,
    head: Annotated[str | None, typer.Option(help="Its number, or mean; the best one if not given.")] = None,
    device: Device = "cpu",
    trust: Trust = False,
) -> None:
    """Which word translates which, from cross-attention: SOURCE-TARGET, counted from 0, a line a pair."""
    from regard.analysis.align import align_pairs, read_gold, read_split, report_errors
    from regard.analysis.aligner import choose_aligner, rank_by_links
    from regard.data.corpora.reading.lines import read_pairs
    from regard.runs.folder import RunFolder

    given = [source is not None or target is not None, bool(source_file or target_file), split is not None]
    if sum(given) != 1 or (source is None) != (target is None) or (source_file is None) != (target_file is None):
        raise UsageError("give --source and --target, or --source-file and --target-file, or --split")
    if source is not None and target is not None and not (source.strip() and target.strip()):
        raise UsageError("--source, --target: one of them is empty; give a sentence and its translation")
    translator = load_translator(run, device, trust)
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
        folder = RunFolder.open(run) if run.is_dir() else None
        aligner, why = choose_aligner(folder, translator, pairs, layer, head, warn)
    found = []
    for one in align_pairs(translator, aligner, pairs, warn):
        found.append(one)
        print(" ".join(f"{a}-{b}" for a, b in sorted(one)))
    warn(f"read from {aligner}; {why}")
    for line in report_errors(found, links, pairs) if links is not None else ():
        warn(line)


@app.command()
def heads(
    run: Run,
    sentences: Annotated[
        int | None,
        typer.Option(
            min=1, help="Validation pairs, or blocks of text; if not given 200 or 32, of 8,192 target tokens at most."
        ),
    ] = None,
    source_file: Annotated[Path | None, typer.Option(help="Sentences of your own, one a line.")] = None,
    target_file: Annotated[
        Path | None, typer.Option(help="Their translations; alone, a text for a language model.")
    ] = None,
    gold: Gold = None,
    as_json: Annotated[bool, typer.Option("--json", help="A line of JSON for each head.")] = False,
    output: Annotated[Path | None, typer.Option(help="The folder for the pictures; heads in RUN if not given.")] = None,
    wandb: Annotated[bool, typer.Option("--wandb", help="Add table and pictures to the run's own W&B run.")] = False,
    device: Device = "cpu",
    trust: Trust = False,
) -> None:
    """What each head does: how focused it is, where it looks, which words it aligns, what the loss is without it."""
    import json

    from rich.console import Console

    from regard.analysis.heads import (
        PICTURES,
        describe_measures,
        describe_passes,
        head_table,
        log_to_wandb,
        measure_sample,
        require_not_running,
        write_pictures,
    )
    from regard.analysis.sample import sample_files, sample_run
    from regard.runs.folder import RunFolder

    folder = RunFolder.open(run) if run.is_dir() else None
    if wandb and folder is None:
        raise UsageError("--wandb: a checkpoint alone has no W&B run; give its run folder")
    if wandb and folder is not None:
        require_not_running(folder)
    place = output or (run / "heads" if run.is_dir() else Path("heads"))
    for name in PICTURES:
        require_writable("--output", place / name)
    model = load(run, device, trust)
    if folder is None or source_file is not None or target_file is not None:
        sample = sample_files(model, source_file, target_file, sentences, gold, warn)
    else:
        sample = sample_run(folder, model, sentences, gold, warn)
    warn(describe_passes(model, sample))
    found = measure_sample(model, sample)
    pictures = write_pictures(found, sample, folder, place)
    if as_json:
        for row in found.rows():
            print(json.dumps(row))
    else:
        console = Console(highlight=False)
        console.width = max(console.width, 120)
        console.print(head_table(found))
    for line in [*describe_measures(found, sample), *(f"picture\t{path}" for path in pictures)]:
        warn(line)
    if wandb and folder is not None:
        log_to_wandb(folder, found, pictures)


@app.command()
def neighbours(
    run: Run,
    word: Annotated[str, typer.Option(help="A word; of several pieces, the mean of their embeddings is taken.")],
    number: Annotated[int, typer.Option(min=1, help="How many neighbours.")] = 10,
    side: Annotated[
        str | None, typer.Option(help="source or target: whose vocabulary; the source's if there is one.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Draw a map of them there: a .png or a .html.")] = None,
    device: Device = "cpu",
    trust: Trust = False,
) -> None:
    """The tokens whose embeddings are nearest to a word's, by cosine; and a map of them."""
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
            f"{word} is {len(around.pieces)} pieces ({' '.join(around.pieces)}): the mean of their embeddings is taken"
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
