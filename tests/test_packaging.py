"""What a user installs: the wheel carries the configs, the lock pins every package by its hash."""

from __future__ import annotations

import email
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from regard.places import conf_folder

CHECKOUT = Path(__file__).parents[1]
TOP_LEVEL = ("conf", "experiments", "src", "slurm", "tests", ".ci")
SINGLE_FILES = ("pyproject.toml", "Makefile", "README.md", "LICENSE", "requirements.lock", ".gitignore")


def build(project: Path, target: str) -> Path:
    """Build the wheel or the sdist of ``project`` with the hatchling of this environment; no network."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", "dist"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = (project / "dist").glob("*.whl" if target == "wheel" else "*.tar.gz")
    return built


def files_below(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"
    }


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout, its link conf/experiment still a link, and some files that it does not have."""
    copy = tmp_path_factory.mktemp("packaging") / "regard"
    copy.mkdir()
    for name in TOP_LEVEL:
        if (CHECKOUT / name).exists():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(CHECKOUT / name, copy / name, symlinks=True, ignore=ignore)
    for name in SINGLE_FILES:
        shutil.copy(CHECKOUT / name, copy / name)
    for name in (
        "conf/nested/deeply/added.yaml",
        "experiments/added.yaml",
        "experiments/nested/added.yaml",
        "src/hydra_plugins/added.py",
        "src/regard/observe/templates/added.html.jinja",
    ):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_text(f"# {name}\n", encoding="utf-8")
    return copy


@pytest.fixture(scope="module")
def wheel(project: Path) -> Path:
    return build(project, "wheel")


def test_wheel_holds_every_file_of_the_package_and_of_the_configs_once(project: Path, wheel: Path) -> None:
    assert (project / "conf" / "experiment").is_symlink()
    configs = {name for name in files_below(project / "conf") if not name.startswith("experiment/")}
    experiments = files_below(project / "experiments")
    expected = (
        files_below(project / "src")
        | {f"regard/conf/{name}" for name in configs}
        | {f"regard/conf/experiment/{name}" for name in experiments}
        | {"regard/slurm/job.sbatch"}
    )
    assert "regard/conf/experiment/nested/added.yaml" in expected
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]
        assert sorted(names) == sorted(expected)
        assert archive.read("regard/conf/experiment/added.yaml") == b"# experiments/added.yaml\n"


def test_wheel_is_the_same_built_from_the_source_distribution(project: Path, wheel: Path, tmp_path: Path) -> None:
    subprocess.run(["tar", "xzf", build(project, "sdist")], cwd=tmp_path, check=True)
    (unpacked,) = tmp_path.iterdir()
    assert files_below(unpacked / "conf" / "experiment") == files_below(project / "experiments")
    assert files_below(unpacked / "tests") == files_below(project / "tests")
    assert build(unpacked, "wheel").read_bytes() == wheel.read_bytes()


def test_configs_are_found_in_a_checkout() -> None:
    assert conf_folder() == CHECKOUT.resolve() / "conf"


def test_configs_of_the_wheel_are_found_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)

    def ask() -> subprocess.CompletedProcess[str]:
        code = "import sys; sys.path.insert(0, '.'); from regard.places import conf_folder; print(conf_folder())"
        command = [sys.executable, "-I", "-c", code]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert Path(ask().stdout.strip()) == (tmp_path / "regard" / "conf").resolve()
    shutil.rmtree(tmp_path / "regard" / "conf")
    assert "RegardError: no conf/train.yaml in" in ask().stderr


def test_wheel_says_its_version_and_what_it_needs(project: Path, wheel: Path) -> None:
    declared = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (name,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(archive.read(name))
        assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
        version = re.search(r'__version__ = "(.+)"', archive.read("regard/__init__.py").decode())
    assert version is not None
    assert metadata["Version"] == version[1]
    required = [Requirement(text) for text in metadata.get_all("Requires-Dist", [])]
    without_extras = {str(need) for need in required if need.marker is None}
    assert without_extras == {str(Requirement(text)) for text in declared["dependencies"]}


def locked_entries() -> list[str]:
    """The entries of requirements.lock, each with its hashes on one line; comments left out."""
    text = (CHECKOUT / "requirements.lock").read_text(encoding="utf-8")
    lines = text.replace("\\\n", " ").splitlines()
    return [line for line in lines if line.strip() and not line.lstrip().startswith("#")]


def test_lock_pins_every_package_by_hash_and_names_no_index() -> None:
    entries = locked_entries()
    assert len(entries) > 50
    for entry in entries:
        assert re.match(r"[a-z0-9][a-z0-9.-]*==[^ ]+ ", entry), f"not an exact version: {entry[:80]}"
        assert "--hash=sha256:" in entry, f"no hash: {entry[:80]}"
    text = (CHECKOUT / "requirements.lock").read_text(encoding="utf-8")
    assert set(re.findall(r"(?<!\S)--?[a-z-]+", text)) == {"--hash"}
    assert "://" not in text


def test_lock_satisfies_what_pyproject_asks_for() -> None:
    """Also whenever pyproject.toml changes: then `make lock` is due."""
    versions: dict[str, list[str]] = {}
    for entry in locked_entries():
        name, version = entry.split()[0].split("==")
        versions.setdefault(canonicalize_name(name), []).append(version)
    declared = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
    project = declared["project"]
    asked = [*declared["build-system"]["requires"], *project["dependencies"]]
    for extra in project["optional-dependencies"].values():
        asked += extra
    for text in asked:
        need = Requirement(text)
        found = versions.get(canonicalize_name(need.name), [])
        assert found, f"{need.name} is not in requirements.lock: run `make lock`"
        assert all(need.specifier.contains(version, prereleases=True) for version in found), (text, found)


@pytest.mark.parametrize("version", ["2.6.2", "2.6.3"])
def test_compromised_releases_of_lightning_are_excluded(version: str) -> None:
    declared = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needs = [Requirement(text) for text in declared["dependencies"]]
    (lightning,) = (need for need in needs if need.name == "pytorch-lightning")
    assert not lightning.specifier.contains(version)
    assert f"!={version}" in str(lightning.specifier)


def test_an_installed_wheel_trains_and_translates_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    (tmp_path / "work").mkdir()
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "site"), "OMP_NUM_THREADS": "1"}

    def regard(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "regard.cli", *arguments]
        return subprocess.run(
            command, cwd=tmp_path / "work", env=environment, input=stdin, capture_output=True, text=True, check=False
        )

    small = ["trainer=debug", "data.size=500", "tokenizer.vocab_size=300", "model.dim=16", "logger=none"]
    trained = regard("train", *small)
    assert trained.returncode == 0, trained.stderr
    (run,) = (tmp_path / "work" / "runs" / "default").iterdir()
    assert (run / "attention" / "index.html").exists()
    assert regard("translate", str(run), stdin="two\nlines\n").stdout.count("\n") == 2
