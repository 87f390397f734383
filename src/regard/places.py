"""Locations of the files that are installed with regard."""

from __future__ import annotations

from pathlib import Path

from regard.errors import RegardError


def conf_folder() -> Path:
    """Return the folder of the configs: ``regard/conf`` in an installed wheel, ``conf`` in a checkout.

    Raises RegardError if neither exists.
    """
    return _find("conf", "train.yaml").parent


def job_script() -> Path:
    """Return the script of SLURM jobs: ``regard/slurm/job.sbatch`` in a wheel, ``slurm/job.sbatch`` in a checkout.

    Raises RegardError if neither exists.
    """
    return _find("slurm", "job.sbatch")


def _find(folder: str, file: str) -> Path:
    package = Path(__file__).resolve().parent
    for parent in (package, package.parents[1]):
        if (path := parent / folder / file).is_file():
            return path
    raise RegardError(f"no {folder}/{file} in or beside {package}: install regard again")
