"""The verb bench."""

from __future__ import annotations

from typing import Annotated

import typer

from regard.cli.app import app, finite


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    options_metavar="[KEY=VALUE ...] [OPTIONS]",
)
def bench(
    context: typer.Context,
    length: Annotated[
        int | None, typer.Option(min=2, help="Tokens of each sequence. Default: model.max_length.")
    ] = None,
    sequences: Annotated[
        int, typer.Option(min=1, help="Number of sequences that are decoded or generated together.")
    ] = 16,
    seconds: Annotated[
        float, typer.Option(min=0.1, callback=finite, help="Time to measure each operation, after a warm-up.")
    ] = 10.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON per configuration.")] = False,
) -> None:
    """Measure how fast a configuration trains, decodes and generates on this machine. Reads no corpus.

    Reports tokens/s, useful FLOP/s, their share of the speed of matrix products of the same shapes, and memory. Takes
    Hydra overrides and options as `regard train`; -m compares configurations: regard bench -m model=tiny,small.
    """
    import dataclasses
    import json

    from rich.console import Console
    from rich.markup import escape

    from regard.bench.bench import bench as measure
    from regard.bench.table import print_benches
    from regard.config.compose import compose_points
    from regard.runs.sweep import varying_overrides

    points = compose_points(context.args)
    names = [" ".join(own) or "defaults" for own in varying_overrides([overrides for _, overrides in points])]
    with Console(stderr=True).status("") as status:
        benches = [
            measure(config, name, length, sequences, seconds, lambda text: status.update(escape(text)))
            for (config, _), name in zip(points, names, strict=True)
        ]
    if as_json:
        for each in benches:
            print(json.dumps(dataclasses.asdict(each), ensure_ascii=False))
    elif benches:
        print_benches(benches, Console())
