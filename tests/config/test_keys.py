"""Every documented key has a type and range; other values are refused before a folder is created."""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import deepcopy
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from regard.config.compose import compose_points
from regard.config.keys import check_values, objects
from regard.config.kinds import NAME, shown
from regard.config.launcher import change_launcher
from regard.config.ranges import ARGUMENTS, arguments_of
from regard.errors import UsageError
from regard.launch.resume import prepare_resume
from regard.places import conf_folder
from regard.runs.folder import RunFolder

MADE_FROM_OTHERS = {"corpus", "tokenizer", "filters", "positions", "mixer", "feed_forward", "residual", "norm"}
"""Arguments that are objects; each object is checked itself."""
OF_HYDRA = {"_target_", "_partial_", "_convert_", "space"}


def composed(*overrides: str) -> dict[str, Any]:
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        config = compose("train", list(overrides), return_hydra_config=True)
        launcher = OmegaConf.to_container(config.hydra.launcher)
        task = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
        plain: Any = OmegaConf.to_container(task, resolve=not any(each.startswith("data=") for each in overrides))
        return plain | {"launcher": launcher}


def combinations() -> list[list[str]]:
    """Lists of overrides that together choose every option of every group."""
    groups = sorted(path for path in conf_folder().glob("**") if any(path.glob("*.yaml")))
    chosen = [
        [f"{path.relative_to(conf_folder())}={option.stem}" for option in sorted(path.glob("*.yaml"))]
        for path in groups
        if path not in (conf_folder(), conf_folder() / "experiment")
        and path.name not in ("task", "sweeper", "encoder", "augmentation", "square")
    ]
    at_once = [[each for each in row if each] for row in zip_longest(*chosen)]
    encoders = sorted(option.stem for option in (conf_folder() / "model" / "encoder").glob("*.yaml"))
    return [
        *([f"task={task}", *row] for task in ("translation", "language") for row in at_once),
        *(["task=captioning", f"model/encoder={encoder}", "augmentation=standard"] for encoder in encoders),
        *(["task=text_to_image", f"square={square}", "augmentation=standard"] for square in ("crop", "pad")),
    ]


@pytest.mark.parametrize("overrides", combinations(), ids=" ".join)
def test_every_documented_key_has_a_kind(overrides: list[str]) -> None:
    config = composed(*overrides)
    for path, node in objects(config):
        unknown = {*node} - {*arguments_of(node["_target_"])} - MADE_FROM_OTHERS - OF_HYDRA
        assert not unknown, f"{path} ({node['_target_']})"


@pytest.mark.parametrize("target", ARGUMENTS)
def test_no_kind_accepts_invalid_values(target: str) -> None:
    for key, kind in ARGUMENTS[target].items():
        wrong: list[Any] = [{}, [[]], object(), "", " "]
        if not kind.expected.startswith(NAME.expected):
            wrong += [math.nan, math.inf, -math.inf]
        if "true or false" not in kind.expected:
            wrong += [True, False]
        if "null" not in kind.expected:
            wrong += [None, [None]]
        if "number" in kind.expected and "text" not in kind.expected:
            wrong += ["1", "abc", [1]]
        assert [value for value in wrong if kind.accepts(value)] == [], key


def parse_override(given: str) -> tuple[str, Any]:
    override = OverridesParser.create().parse_override(given)
    return override.key_or_group, override.value()


@pytest.fixture(scope="module")
def configs() -> list[dict[str, Any]]:
    """Configurations of both tasks with all objects that have numeric arguments."""
    translation = ["callbacks=moving_average", "hydra/launcher=slurm", "filters=clean"]
    language = ["task=language", "mixer=s4d", "callbacks=early_stopping", "hydra/launcher=local", "filters=documents"]
    return [composed("search=tpe", *translation), composed("search=tpe", *language)]


@pytest.mark.parametrize(
    "wrong",
    """
    seed=-1 seed=null seed=true seed=4294967296 seed=1.0 name=null name= name=a/b name=.. name=true init_from=3
    paths.runs=null paths.cache= trainer.accumulate_grad_batches=0 trainer.accumulate_grad_batches=-1
    trainer.max_steps=0 trainer.max_steps=null trainer.max_steps=1e3 trainer.max_steps=true
    trainer.val_check_interval=0 trainer.val_check_interval=0.5 trainer.log_every_n_steps=0
    trainer.limit_train_batches=0 trainer.limit_val_batches=-1 trainer.limit_val_batches=1.5
    trainer.limit_test_batches=nan trainer.gradient_clip_val=-1 trainer.gradient_clip_val=nan trainer.devices=0
    trainer.devices=[0,1] trainer.num_nodes=null trainer.precision=bf16-mixd trainer.precision=null
    trainer.accelerator=gpus trainer.deterministic=1 trainer.profiler=fast trainer.strategy=null optimizer.lr=abc
    optimizer.lr=-1 optimizer.lr=nan optimizer.lr=inf optimizer.lr=[0.1] optimizer.lr=null optimizer.lr=true
    optimizer.betas=0.9 optimizer.betas=[0.9] optimizer.betas=[0.9,1] optimizer.betas=[0.9,nan] optimizer.eps=-1
    optimizer.weight_decay=-0.1 optimizer.fused=1 schedule.warmup_steps=-1 schedule.warmup_steps=0.5
    schedule.final=2 schedule.total_steps=0 model.dim=0 model.depth=-1 model.num_heads=0 model.ffn_dim=2.5
    model.dropout=1.5 model.dropout=nan model.max_length=0 model.mixer.num_kv_heads=0 model.mixer.bias=1
    model.mixer.rotation.base=0 task.objective.label_smoothing=-0.1 task.objective.label_smoothing=nan task.compile=1
    batches.tokens_per_batch=0 batches.tokens_per_batch=null batches.evaluation_tokens_per_batch=0
    batches.workers=-1 batches.workers=null batches.preparation_workers=0 callbacks.best.mode=least
    callbacks.snapshots.count=-1 callbacks.last.every_n_steps=0 callbacks.last.every_minutes=0
    callbacks.attention.sentences=-1 callbacks.attention.measures=[entropi] callbacks.attention.megabytes=nan
    callbacks.attention.texts=[1] callbacks.attention.longest=0 callbacks.samples.count=-1 tokenizer.vocab_size=0
    tokenizer.vocab_size=8000.0 tokenizer.character_coverage=0 tokenizer.character_coverage=nan tokenizer.joint=1
    logger.init_timeout_seconds=0 logger.project=null search.trials=0 search.workers=null search.direction=down
    search.sampler.seed=-1 search.sampler.n_startup_trials=-1 data.size=0 data.size=true data.seed=-1
    data.source=null batches.sampling_alpha=0 batches.sampling_alpha=nan batches.max_length=0 batches.block_length=0
    batches.stride=0 batches.isolate_documents=null task.scorer.beam_size=0 task.scorer.length_penalty=nan
    task.scorer.bleu_tokenizer=13b task.scorer.temperature=nan task.scorer.samples=-1 task.scorer.prompt_tokens=-1
    task.scorer.new_tokens=-1 model.encoder.depth=0
    batches.filters.length.max_words=-1 batches.filters.length_ratio.largest=nan callbacks.moving_average.decay=1
    callbacks.early_stopping.patience=-1 hydra.launcher.jobs=0 hydra.launcher.time_minutes=-1
    hydra.launcher.memory_gb=0 hydra.launcher.leave_seconds=-1 hydra.launcher.options=--exclusive
    hydra.launcher.python=3 model.mixer.other.state_size=63 model.mixer.other.state_size=0
    """.split(),
)
def test_a_value_out_of_range_is_named(configs: list[dict[str, Any]], wrong: str) -> None:
    key, value = parse_override(wrong)
    *parents, last = key.replace("hydra.launcher", "launcher").split(".")
    tried = 0
    for config in configs:
        section: Any = deepcopy(config)
        changed = section
        for parent in parents:
            section = section.get(parent) or {}
        if last in section:
            section[last], tried = value, tried + 1
            with pytest.raises(UsageError) as caught:
                check_values(changed)
            assert str(caught.value).startswith(f"{key}={shown(value)}: expected "), caught.value
            assert "\n" not in str(caught.value)
    assert tried


def test_valid_values_are_accepted(configs: list[dict[str, Any]]) -> None:
    for config in configs:
        check_values(config)


@pytest.mark.parametrize("gone", ["name", "logger", "callbacks", "paths.runs", "trainer.devices", "batches.workers"])
def test_removed_required_key_is_named(gone: str) -> None:
    with pytest.raises(UsageError, match=f"^{gone} is missing"):
        compose_points([f"~{gone}"])


def test_text_that_yaml_reads_as_a_number_must_be_quoted() -> None:
    with pytest.raises(UsageError, match=r"""^logger\.project=2026: expected text; if it is text, .*"'2026'"$"""):
        compose_points(["logger.project=2026"])
    assert compose_points(["logger.project='2026'", "name=2026", "data.size=10"])[0][0]["name"] == "2026"


@pytest.mark.parametrize("key", ["max_epochs", "callbacks", "logger", "check_val_every_n_epoch", "default_root_dir"])
def test_trainer_arguments_set_by_regard_are_refused(key: str) -> None:
    with pytest.raises(UsageError, match=f"^trainer.{key}=3: expected no value, because regard sets it$"):
        compose_points([f"+trainer.{key}=3"])


@pytest.mark.parametrize("key", ["optimizer", "schedule"])
def test_optimizer_and_schedule_are_not_keys_of_the_task(key: str) -> None:
    with pytest.raises(UsageError, match=f"^task.{key}=3: expected no value, because regard sets it$"):
        compose_points([f"+task.{key}=3"])


def test_user_class_is_checked_by_its_signature_only(tmp_path: Path, importable: Callable[[Path], None]) -> None:
    (tmp_path / "own_schedule.py").write_text("def rise(warmup_steps: float, total_steps: int | None): ...\n")
    importable(tmp_path)
    own = ["~schedule", "+schedule._target_=own_schedule.rise", "+schedule.warmup_steps=-0.5"]
    assert compose_points([*own, "+schedule.total_steps=null"])
    with pytest.raises(UsageError, match=r"^schedule\.total_steps=0\.5: own_schedule\.rise expects int \| None"):
        compose_points([*own, "+schedule.total_steps=0.5"])


def test_all_points_are_checked_before_a_folder_is_created(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match=r"^point 2 of 2 \(seed=-1\): seed=-1: expected an integer from 0"):
        compose_points(["-m", "seed=1,-1", f"paths.runs={tmp_path / 'runs'}"])
    with pytest.raises(UsageError, match=r"^optimizer\.lr=-1: expected a number >= 0$"):
        compose_points(["optimizer.lr=-1", f"paths.runs={tmp_path / 'runs'}"])
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr() == ("", "")  # Hydra prints nothing of its own


@pytest.mark.parametrize(
    "wrong",
    ["trainer.max_steps=5", "trainer.max_steps=0", "trainer.max_steps=-1", "trainer.devices=0", "trainer.devices=1.5"],
)
def test_resume_checks_values_and_does_not_change_the_configuration(finished: RunFolder, wrong: str) -> None:
    before = {path.name: path.read_bytes() for path in finished.path.iterdir() if path.is_file()}
    words = "has taken 6 steps; give 6 or more" if wrong.endswith("=5") else "expected an integer >= 1"
    with pytest.raises(UsageError, match=f"^{wrong}: .*{words}"):
        prepare_resume([finished], [wrong])
    assert {path.name: path.read_bytes() for path in finished.path.iterdir() if path.is_file()} == before


@pytest.mark.parametrize(
    ("launcher", "wrong"),
    [("local", "jobs=0"), ("local", "jobs=null"), ("slurm", "time_minutes=-1"), ("slurm", "memory_gb=1.5")],
)
def test_resume_checks_the_launcher(launcher: str, wrong: str) -> None:
    with pytest.raises(UsageError, match=rf"^hydra\.launcher\.{wrong}: expected an integer >= 1"):
        change_launcher({}, [f"hydra/launcher={launcher}", f"hydra.launcher.{wrong}"])
