"""The verb that writes trained models in other forms."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from regard.cli.app import app
from regard.cli.models import Run, Trust
from regard.errors import UsageError
from regard.files import replacing, replacing_folder, require_new_folder, require_writable


@app.command()
def export(
    run: Run,
    to: Annotated[str, typer.Option("--to", metavar="FORMAT", help="What to write, such as page or onnx.")],
    output: Annotated[
        Path | None, typer.Option(help="File or new folder to write. Default: RUN/exports, by format.")
    ] = None,
    weights: Annotated[
        str | None, typer.Option(help="Numbers of the weights: float32, float16 or int8. Default: by format.")
    ] = None,
    trust: Trust = False,
) -> None:
    """Write a trained model for a browser, for another engine or for another library."""
    from regard.exchange.formats import check, find_format

    form = find_format(to)
    kind = weights or form.weights[0]
    if kind not in form.weights:
        raise UsageError(f"--weights {kind}: {to} has {' or '.join(form.weights)}")
    path = output or (run / "exports" if run.is_dir() else Path()) / form.output
    if form.is_folder:
        require_new_folder("--output", path)
    else:
        require_writable("--output", path)

    from regard.runs.folder import find_checkpoint
    from regard.training.checkpoint import load_model

    model = load_model(find_checkpoint(run), "cpu", trust)
    check(to, model)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing_folder(path) if form.is_folder else replacing(path) as written:
        facts = form.write(model, run, written, kind)
    print(f"{to}\t{path}")
    for label, fact in facts.items():
        print(f"{label}\t{fact}")


@app.command(name="import")
def import_model(
    form: Annotated[str, typer.Argument(metavar="FORMAT", help="Format of PATH: huggingface.")],
    path: Annotated[Path, typer.Argument(metavar="PATH", help="Folder of the model.")],
    output: Annotated[Path, typer.Option(help="New folder to write, which other verbs take in place of RUN.")],
) -> None:
    """Make a model that was trained elsewhere a model of regard, and print how to fine-tune it.

    Nothing is downloaded.
    """
    from regard.exchange.fine_tuning import train_options
    from regard.exchange.formats import find_reader

    require_new_folder("--output", output)
    content = find_reader(form)(path)

    from regard.training.model_folder import write_model_folder

    output.parent.mkdir(parents=True, exist_ok=True)
    with replacing_folder(output) as written:
        write_model_folder(written, content)
    about = content["regard"]
    print(f"model\t{output}")
    print(shlex.join(["regard", "train", f"init_from={output}", *train_options(about["task"], about["model"])]))
