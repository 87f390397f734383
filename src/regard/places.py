"""Where the files that come with regard are."""

from __future__ import annotations

from pathlib import Path

from regard.errors import RegardError


def conf_folder() -> Path:
    """The folder of the configs: ``regard/conf`` of an installed wheel, ``conf`` of a checkout.

    Raises RegardError if neither is there.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / "conf", package.parents[1] / "conf"):
        if (folder / "train.yaml").is_file():
            return folder
    raise RegardError(f"no conf folder with train.yaml in or beside {package}: install regard again")
