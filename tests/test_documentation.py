"""The README files: every link and every command in them is valid, and every option of conf/ is listed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf, open_dict
from typer.core import TyperGroup
from typer.main import get_command

from regard.cli import app
from regard.config.keys import check_values
from regard.config.resolve import any_image_size
from regard.places import conf_folder

ROOT = Path(__file__).parents[1]
PAGES = [
    "README.md",
    "conf/README.md",
    "experiments/README.md",
    "experiments/benchmarks/README.md",
    "slurm/README.md",
    "src/regard/README.md",
    "src/regard/exchange/README.md",
]
LINK = re.compile(r"\]\(([^)]+)\)")
SHELL_BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)
FENCED = re.compile(r"```.*?```", re.DOTALL)
PATH = re.compile(r"`((?:[\w.-]+/)+[\w.-]+\.(?:py|yaml|jinja|sbatch))`")
INLINE = re.compile(r"`((?:regard|python|pytest|make|sbatch|wandb|pip) [^`]+)`")
PLACEHOLDER = re.compile(r"--|\[?key=|experiment=NAME$")
COMPOSING = ("train", "search", "cost", "bench")

VERBS = get_command(app)
assert isinstance(VERBS, TyperGroup)
COMMANDS = VERBS.commands


def commands(page: str) -> Iterator[str]:
    """Every command of a page: the lines of its shell blocks, and code between backticks."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for block in SHELL_BLOCK.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            command = " ".join(shlex.split(line, comments=True, posix=False))
            if command:
                yield command
    yield from INLINE.findall(SHELL_BLOCK.sub("", text).replace("\\|", "/"))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_and_headings(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for link in LINK.findall(text):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), f"{page}: {link}"
        assert not anchor or anchor in anchors(target), f"{page}: {link}"


@pytest.mark.parametrize("page", PAGES)
def test_files_that_are_named_exist(page: str) -> None:
    text = FENCED.sub("", (ROOT / page).read_text(encoding="utf-8"))
    for name in PATH.findall(text):
        assert any((folder / name).exists() for folder in (ROOT, ROOT / "src" / "regard", ROOT / "conf")), name


def test_the_main_page_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 180


@pytest.mark.parametrize(
    ("page", "command"), [pytest.param(page, text, id=f"{page}: {text}") for page in PAGES for text in commands(page)]
)
def test_commands_are_valid(page: str, command: str) -> None:
    words = shlex.split(command)
    if "regard" in words:
        check_regard(words[words.index("regard") + 1 :])
    elif words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE), command
    elif words[0] in ("python", "pytest", "bash", "sbatch") or "/" in words[0]:
        for word in words:
            if word.startswith(("tests/", "slurm/", "src/", "experiments/")):
                assert (ROOT / word).exists(), command
    else:
        assert words[0] in ("pip", "wandb", "export", ".", "pre-commit"), f"{command}: how is this checked?"


def check_regard(words: list[str]) -> None:
    """The verbs of a command exist, with these options; overrides compose and have values in their ranges."""
    verb, arguments = words[0], words[1:]
    if verb in ("VERB", "--help"):
        return
    arguments = arguments[: arguments.index("|")] if "|" in arguments else arguments
    command = COMMANDS[verb.rstrip(",")]
    if "my_conf" in words:  # followed in test_recipes.py
        return
    if verb in COMPOSING:
        check_overrides([word for word in arguments if "=" in word and not PLACEHOLDER.match(word)])
        return
    known = {option for parameter in command.params for option in [*parameter.opts, *parameter.secondary_opts]}
    for word in arguments:
        if word.strip("[]").startswith("-"):
            assert word.strip("[]") in known, f"regard {verb} has no option {word}"


def check_overrides(overrides: list[str]) -> None:
    single = []
    for override in OverridesParser.create().parse_overrides(overrides):
        value = next(override.sweep_string_iterator()) if override.is_sweep_override() else None
        text = override.input_line or ""
        single.append(text if value is None else f"{text.partition('=')[0]}={value}")
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        composed = compose("train", single, return_hydra_config=True)
    with open_dict(composed):
        launcher = OmegaConf.to_container(composed.pop("hydra").launcher, resolve=False)
    with any_image_size(composed):
        config = OmegaConf.to_container(composed, resolve=True)
    assert isinstance(config, dict)
    check_values({**{str(key): value for key, value in config.items()}, "launcher": launcher})


def test_every_option_is_listed() -> None:
    text = (ROOT / "conf" / "README.md").read_text(encoding="utf-8")
    for path in sorted(conf_folder().rglob("*.yaml")):
        group = path.relative_to(conf_folder()).parent.as_posix()
        if group in (".", "experiment", "model") or group.startswith("experiment"):
            continue
        assert f"`{path.stem}`" in text or f"{group}={path.stem}" in text, f"conf/README.md: {group}={path.stem}"
    for path in sorted((ROOT / "experiments").glob("*.yaml")):
        listed = (ROOT / "experiments" / "README.md").read_text(encoding="utf-8")
        assert f"`{path.stem}`" in listed, f"experiments/README.md: {path.stem}"
