"""The verb cost."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from regard.cli.app import app, finite


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    options_metavar="[KEY=VALUE ...] [OPTIONS]",
)
def cost(
    context: typer.Context,
    lengths: Annotated[
        str, typer.Option(metavar="N,N,...", help="Lengths of the sequences, in tokens; 128,...,1024 doubles.")
    ] = "128,...,16384",
    dollars_per_hour: Annotated[
        float | None, typer.Option(min=0, callback=finite, help="Price of one device, for the price of a run.")
    ] = None,
    seconds: Annotated[
        float, typer.Option(min=0.1, callback=finite, help="Time to measure the training step of one length.")
    ] = 7.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON per configuration.")] = False,
    page: Annotated[Path | None, typer.Option(help="Also write a page with curves to this HTML file.")] = None,
) -> None:
    """Predict and measure what a configuration costs: parameters, FLOPs, memory, time, price. Does not train.

    Takes Hydra overrides and options as `regard train`; -m compares configurations: regard cost -m model=tiny,small.
    """
    import dataclasses
    import json

    from rich.console import Console
    from rich.markup import escape

    from regard.config.compose import compose_points
    from regard.cost.estimate import estimate
    from regard.cost.lengths import parse_lengths
    from regard.files import require_writable
    from regard.runs.sweep import varying_overrides

    wanted = parse_lengths(lengths)
    if page is not None:
        require_writable("--page", page)
    points = compose_points(context.args)
    names = [" ".join(own) or "defaults" for own in varying_overrides([overrides for _, overrides in points])]
    with Console(stderr=True).status("") as status:
        costs = [
            estimate(config, name, wanted, dollars_per_hour, seconds, lambda text: status.update(escape(text)))
            for (config, _), name in zip(points, names, strict=True)
        ]
    if as_json:
        for each in costs:
            print(json.dumps(dataclasses.asdict(each), ensure_ascii=False))
    elif costs:
        from regard.cost.table import print_costs

        print_costs(costs, Console())
    if page is not None and costs:
        from regard.cost.page import write_page

        write_page(page, costs)
        if not as_json:
            print(f"page  {page}")
