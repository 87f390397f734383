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


def job_script() -> Path:
    """The script of SLURM jobs: ``regard/slurm/job.sbatch`` of an installed wheel, ``slurm/job.sbatch`` of a checkout.

    Raises RegardError if neither is there.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / "slurm", package.parents[1] / "slurm"):
        if (folder / "job.sbatch").is_file():
            return folder / "job.sbatch"
    raise RegardError(f"no slurm/job.sbatch in or beside {package}: install regard again")
