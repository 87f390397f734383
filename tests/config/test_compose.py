"""Composing: every option works, and errors are reported before a folder is created."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from regard.config.command_line import options_first
from regard.config.compose import compose_points, freeze
from regard.data.tokenizer.model_proto import byte_model
from regard.errors import UsageError
from regard.instantiate import build
from regard.places import conf_folder

EXPERIMENTS = sorted(path.stem for path in (conf_folder() / "experiment").glob("*.yaml"))


def options(group: str) -> list[str]:
    return sorted(path.stem for path in (conf_folder() / group).glob("*.yaml"))


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_composes_and_passes_the_check(experiment: str, tmp_path: Path) -> None:
    sweep = ["-m"] if "sweeper:" in (conf_folder() / f"experiment/{experiment}.yaml").read_text() else []
    for config, _ in compose_points([*sweep, f"experiment={experiment}", f"paths.data={tmp_path}"]):
        assert config["name"] == experiment


# Some options of data and task need files, or each other.
GROUPS = """
model tokenizer optimizer schedule trainer logger callbacks mixer positions feed_forward residual norm filters
""".split()

NOT_ALONE = {
    ("model", "transformer"),  # in part
    ("tokenizer", "existing"),  # needs a file
    ("mixer", "hybrid"),  # in part
    ("residual", "ada_ln_zero"),  # needs a model with a condition
    ("callbacks", "drawings"),  # needs a model that draws; task=text_to_image has it by default
}


@pytest.mark.parametrize("group", GROUPS)
def test_every_option_of_every_group_composes_and_passes_the_check(group: str) -> None:
    """In one sweep: an error names the point."""
    choices = [option for option in options(group) if (group, option) not in NOT_ALONE]
    assert len(compose_points(["-m", f"{group}={','.join(choices)}"])) == len(choices) > 0


PARTS_OF_OTHERS = {"synthetic", "without_text"}
CORPORA = {
    "induction": ["task=language"],
    "recall": ["task=language"],
    "mqar": ["task=language"],
    "phrases": [],
    "multi30k": [],
    "pydocs": ["task=language"],
    "tinyshakespeare": ["task=language"],
    "shapes": ["task=captioning"],
    "captions": ["task=captioning", "data.train={0}/t.tsv", "data.validation=0.1"],
    "huggingface_captions": ["task=captioning", "data.path={0}"],
    "parallel": ["data.source=en", "data.target=de", "data.train={0}/t.tsv", "data.validation={0}/t.tsv"],
    "table": ["data.columns=[en,de]", "data.train={0}/*.tsv"],
    "text": ["task=language", "data.train={0}/t.tsv", "data.document=line"],
    "huggingface": ["data.path={0}", "data.columns=[translation.en,translation.de]"],
}


def test_every_corpus_is_known_here() -> None:
    assert set(CORPORA) >= set(options("data")) - PARTS_OF_OTHERS


@pytest.mark.parametrize("corpus", sorted(set(options("data")) - PARTS_OF_OTHERS))
def test_every_corpus_composes_and_passes_the_check(corpus: str, tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text("en\tde\n")
    assert compose_points([f"data={corpus}", *(argument.format(tmp_path) for argument in CORPORA[corpus])])


@pytest.mark.parametrize(
    "arguments", [["data=pydocs"], ["task=language", "data=phrases"], ["task=captioning", "data=phrases"]]
)
def test_corpus_of_another_task_is_refused_before_a_folder_is_created(arguments: list[str]) -> None:
    with pytest.raises(UsageError, match=r"data has the columns .*, this task reads .*; choose another"):
        compose_points(arguments)


@pytest.mark.parametrize("task", ["translation", "captioning"])
def test_data_without_a_source_needs_a_model_without_an_encoder(task: str) -> None:
    with pytest.raises(UsageError, match=rf"^model\.encoder: the model of task={task} encodes a source, but this data"):
        compose_points([f"task={task}", "data=recall"])


def test_sequences_with_answers_have_no_keys_for_text_and_their_own_model() -> None:
    ((config, _),) = compose_points(["task=language", "data=mqar"])
    assert config["task"]["scorer"].keys() == {"_target_", "samples"}
    assert not {"stride", "block_length", "tokens_per_batch"} & config["batches"].keys()
    assert config["model"]["dim"] == 32
    ((config, _),) = compose_points(["task=language", "data=mqar", "model=tiny"])
    assert config["model"]["dim"] == 128


def test_an_experiment_chooses_task_and_data() -> None:
    ((config, _),) = compose_points(["experiment=shakespeare_cpu"])
    assert config["task"]["name"] == "language"
    assert config["data"]["_target_"].endswith("TinyShakespeare")
    assert config["model"]["encoder"] is None
    assert config["tokenizer"]["newlines"] is True
    with pytest.raises(UsageError, match=r"batches\.stride=100: expected 1 to batches\.block_length=64"):
        compose_points(["experiment=shakespeare_cpu", "batches.stride=100"])


def test_frozen_file_paths_are_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_text("one\n\ntwo\n")
    monkeypatch.chdir(tmp_path)
    arguments = ["task=language", "data=text", "data.document=line", "data.validation=0.5"]
    for given, expected in (
        ("a.txt", str(tmp_path / "a.txt")),
        ("[a.txt,'*.txt']", [f"{tmp_path}/a.txt", f"{tmp_path}/*.txt"]),
    ):
        ((config, _),) = compose_points([*arguments, f"data.train={given}"])
        assert config["data"]["train"] == expected
        assert config["batches"]["corpus"]["train"] == expected
        assert config["data"]["validation"] == 0.5


def test_filters_are_composed_by_name() -> None:
    ((config, _),) = compose_points(["filters=clean", "batches.filters.length.max_words=7", "~batches.filters.copies"])
    filters = build(config["batches"]).filters
    assert list(filters) == ["length", "length_ratio", "duplicates"]
    assert filters["length"].max_words == 7


def test_an_experiment_overrides_the_task_and_the_command_line_overrides_both() -> None:
    ((config, _),) = compose_points(["experiment=multi30k_en_de_cpu"])
    assert config["data"]["_target_"].endswith("Multi30k")
    assert config["tokenizer"]["vocab_size"] == 4000
    ((config, _),) = compose_points(["experiment=multi30k_en_de_cpu", "data=phrases", "model=base", "model.depth=1"])
    assert config["data"]["_target_"].endswith("Phrases")
    assert config["model"]["depth"] == config["model"]["encoder"]["depth"] == 1


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("trainer.max_stpes=3", ["trainer.max_stpes", "trainer.max_steps"]),
        ("+trainer.max_stpes=3", ["trainer.max_stpes", "max_steps"]),
        ("+sed=3", ["sed", "did you mean seed"]),
        ("+paths.dat=x", ["paths.dat", "paths.data"]),
        ("+model.encoder.dpeth=3", ["model.encoder.dpeth", "depth"]),
        ("model=bse", ["model=bse", "base", "tiny"]),
        ("experiment=nope", ["experiment=nope", *EXPERIMENTS[:1]]),
        ("modl=base", ["modl", "model"]),
        ("hydra.ouput_subdir=x", ["hydra.ouput_subdir", "hydra.output_subdir"]),
        ("data.source=gm", ["data.source", "gm"]),
        ("tokenizer.kind=pbe", ["tokenizer.kind=pbe", "bpe, unigram"]),
        ("tokenizer.vocab_size=5", ["tokenizer.vocab_size=5"]),
        ("tokenizer.vocab_size=null", ["tokenizer.vocab_size=None", "tokenizer=char"]),
        ("tokenizer=existing", ["tokenizer.model", "give tokenizer.model="]),
        ("+tokenizer.model=some.model", ["tokenizer.model=", "tokenizer=existing"]),
        ("model.num_heads=3", ["model", "128", "multiple"]),
        ("trainer.max_steps=0", ["trainer.max_steps=0"]),
        ("trainer.devices=auto", ["trainer.devices=auto"]),
        ("seed=one", ["seed=one"]),
        ("logger.mode=onlin", ["logger.mode=onlin", "online"]),
        ("optimizer._target_=torch.optim.Adamx", ["optimizer._target_=torch.optim.Adamx"]),
        ("data=parallel", ["data.source", "give data.source="]),
        ("init_from=/no/such/run", ["/no/such/run"]),
        ("residual=ada_ln_zero", ["model.residual: AdaLNZero needs a condition", "pre_norm"]),
        ("task.objective.label_smoothing=", ["label_smoothing"]),
        ("name=a,b", ["-m"]),
        ("just words", ["just words"]),
    ],
)
def test_invalid_input_is_one_line_that_names_the_key(argument: str, words: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        compose_points([argument])
    message = str(caught.value)
    assert "\n" not in message
    assert all(word in message for word in words), message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["trainer.accumulate_grad_batches=4", "trainer.val_check_interval=10"],
            "trainer.val_check_interval=10: it counts batches; expected a multiple of "
            "trainer.accumulate_grad_batches=4, such as 8",
        ),
        (
            ["trainer=debug", "trainer.accumulate_grad_batches=3"],
            "trainer.val_check_interval=1: it counts batches; expected a multiple of "
            "trainer.accumulate_grad_batches=3, such as 3",
        ),
        (
            ["trainer.limit_train_batches=0.5"],
            "trainer.limit_train_batches=0.5: expected an integer >= 1, or null",
        ),
        (
            ["trainer.limit_val_batches=1.5"],
            "trainer.limit_val_batches=1.5: expected an integer >= 0, or a number from 0 and up to 1, or null",
        ),
        (
            ["trainer.limit_test_batches=-1"],
            "trainer.limit_test_batches=-1: expected an integer >= 0, or a number from 0 and up to 1, or null",
        ),
        (
            ["+trainer.overfit_batches=1"],
            "trainer.overfit_batches: not supported; use trainer=overfit, or trainer.limit_train_batches=",
        ),
    ],
)
def test_batch_counts_that_are_not_whole_steps_are_refused(arguments: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        compose_points(arguments)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["task=text_to_image", "callbacks=moving_average"],
            "callbacks.attention: AttentionProbe cannot show the outputs of task=text_to_image; use callbacks=drawings",
        ),
        (
            ["task=captioning", "callbacks=drawings"],
            "callbacks.samples: ContactSheets cannot show the outputs of task=captioning; use callbacks=default",
        ),
    ],
)
def test_callbacks_for_another_kind_of_model_are_refused(arguments: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        compose_points(arguments)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "arguments",
    [
        ["trainer.accumulate_grad_batches=4", "trainer.val_check_interval=12", "trainer.limit_val_batches=0.5"],
        ["trainer=overfit", "trainer.accumulate_grad_batches=3"],  # which does not validate
    ],
)
def test_batch_counts_that_are_whole_steps_are_accepted(arguments: list[str]) -> None:
    assert compose_points(arguments)


def test_missing_corpus_files_are_named_and_no_folder_is_created(tmp_path: Path) -> None:
    arguments = ["data=parallel", "data.source=en", "data.target=de", f"paths.runs={tmp_path / 'runs'}"]
    with pytest.raises(UsageError, match=r"train\.tsv"):
        compose_points([*arguments, f"data.train={tmp_path / 'train.tsv'}", f"data.validation={tmp_path / 'v.tsv'}"])
    assert list(tmp_path.iterdir()) == []


def test_an_existing_model_is_found_before_the_run_and_by_its_full_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["tokenizer=existing", "tokenizer.model=some.model"]
    with pytest.raises(UsageError, match=r"^tokenizer\.model=\S+some\.model: No such file"):
        compose_points(arguments)
    Path("some.model").write_bytes(byte_model())
    ((config, _),) = compose_points(arguments)
    assert config["tokenizer"]["model"] == str(tmp_path / "some.model")


def test_own_conf_folder_and_own_class(tmp_path: Path, importable: Callable[[Path], None]) -> None:
    (tmp_path / "conf/model").mkdir(parents=True)
    (tmp_path / "conf/model/mine.yaml").write_text(
        "defaults: [transformer]\ndim: 24\ndepth: 1\nnum_heads: 2\nffn_dim: 8\n"
    )
    (tmp_path / "conf/callbacks").mkdir()
    (tmp_path / "conf/callbacks/mine.yaml").write_text(
        "defaults: [default]\nhello: {_target_: my_package.Hello, loud: 1}\n"
    )
    (tmp_path / "my_package.py").write_text(
        "from pytorch_lightning import Callback\nclass Hello(Callback):\n    def __init__(self, loud): ...\n"
    )
    importable(tmp_path)
    ((config, _),) = compose_points(["--config-dir", str(tmp_path / "conf"), "model=mine", "callbacks=mine"])
    assert config["model"]["dim"] == 24
    assert config["callbacks"]["hello"]["_target_"] == "my_package.Hello"
    with pytest.raises(UsageError, match=r"callbacks\.hello\.loudd"):
        compose_points(["--config-dir", str(tmp_path / "conf"), "callbacks=mine", "+callbacks.hello.loudd=1"])


def test_every_point_of_a_sweep_is_checked_before_a_folder_is_created(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="multiple"):
        freeze(compose_points(["-m", "model.dim=128,130", f"paths.runs={tmp_path}"]))
    assert list(tmp_path.iterdir()) == []
    runs = freeze(compose_points(["-m", "model.dim=64,128", "seed=1,2", "name=grid", f"paths.runs={tmp_path}"]))
    assert [run.path.name for run in runs] == ["0", "1", "2", "3"]
    assert [(r.config()["model"]["dim"], r.config()["seed"]) for r in runs] == [(64, 1), (64, 2), (128, 1), (128, 2)]
    assert (runs[0].path.parent / "sweep.json").is_file()
    assert yaml.safe_load((runs[3].path / "overrides.yaml").read_text())[:2] == ["model.dim=128", "seed=2"]


def test_composing_creates_no_folder_of_hydra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    compose_points([])
    compose_points(["-m", "seed=1,2"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["a=1", "-m", "b=2"], ["-m", "a=1", "b=2"]),
        (["a=1", "--config-dir", "my conf", "b=2"], ["--config-dir", "my conf", "a=1", "b=2"]),
        (["a=1", "--config-dir=x", "~b"], ["--config-dir=x", "a=1", "~b"]),
        (["a=1", "--info", "defaults", "b=2", "--info"], ["--info=defaults", "--info=all", "a=1", "b=2"]),
        (["--info", "b=2"], ["--info=all", "b=2"]),
        (["a=1", "--cfg", "job"], ["--cfg", "job", "a=1"]),
    ],
)
def test_options_and_overrides_can_be_mixed(given: list[str], expected: list[str]) -> None:
    assert options_first(given) == expected


def test_multirun_option_can_be_anywhere() -> None:
    points = compose_points(["seed=1,2", "-m", "name=anywhere"])
    assert [config["seed"] for config, _ in points] == [1, 2]
