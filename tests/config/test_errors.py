"""Errors in a command line or in a user configuration are one line that names the cause."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from regard.config.compose import compose_points
from regard.errors import UsageError

OWN = {
    "model/flow.yaml": (b"dim: [1\n", "line 1: not YAML (expected ',' or ']', but got '<stream end>')"),
    "model/tab.yaml": (b"defaults: [demo]\n\tdim: 3\n", r"line 2: not YAML (found character '\t' that cannot start"),
    "model/twice.yaml": (b"dim: 1\ndim: 2\n", "line 2: not YAML (found duplicate key dim)"),
    "model/latin.yaml": (b"defaults: [demo]\n# gr\xf6\xdfer\n", "line 2: not UTF-8 (byte 0xf6); convert the file"),
    "model/control.yaml": (
        b'defaults: [demo]\n\ndim: "\x01"\n',
        "line 3: not YAML (special characters are not allowed)",
    ),
    "model/tag.yaml": (b"dim: !!python/name:os.system x\n", "line 1: not YAML (could not determine a constructor for"),
    "model/list.yaml": (b"# mine\n- a\n", "line 2: expected lines of KEY: VALUE"),
    "model/missing.yaml": (
        b"\ndefaults: [nothere]\n",
        "line 2: model=nothere: no such option; options: aaa, base",
    ),
    "model/defaults.yaml": (b"defaults: demo\n", "line 1: defaults must be a list, such as [demo]"),
    "model/gone.yaml": (b"defaults: [demo]\ndim: ${nope.x}\n", "line 2: model.dim=${nope.x}: there is no key nope.x"),
    "model/open.yaml": (b"defaults: [demo]\ndim: ${nope\n", "line 2: ${nope is not an interpolation; write ${KEY}"),
    "model/unset.yaml": (
        b"defaults: [demo]\ndim: ${oc.env:REGARD_NOT_SET}\n",
        "line 2: model.dim=${oc.env:REGARD_NOT_SET}: Environment variable 'REGARD_NOT_SET' not found",
    ),
    "model/group.yaml": (b"defaults:\n  - demo\n  - override /modle: demo\n", "line 3: modle@model.modle: unknown key"),
    "experiment/mine.yaml": (
        b"# @package _global_\ndefaults:\n  - override /model: smaal\n",
        "line 3: model=smaal: no such option; did you mean small?",
    ),
}


NEEDS_CAPTIONING = (
    "data.most_groups=${tuned_scenes.most_groups}: there is no key tuned_scenes.most_groups; "
    "give task=captioning or task=text_to_image"
)


@pytest.mark.parametrize("name", OWN)
def test_error_in_a_user_conf_folder_names_file_and_line(name: str, tmp_path: Path) -> None:
    path, (content, words) = tmp_path / name, OWN[name]
    path.parent.mkdir()
    (path.parent / "aaa.yaml").write_bytes(b"dim: 3\n")
    path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        compose_points(["--config-dir", str(tmp_path), f"{path.parent.name}={path.stem}"])
    assert str(caught.value).startswith(f"{path}, {words}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["init_from=runs/a=b/x"], "init_from=runs/a=b/x: the value has characters that must be quoted: "
         """'init_from="runs/a=b/x"'"""),
        (["name=größe"], """name=größe: the value has characters that must be quoted: 'name="größe"'"""),
        (["data.train=~/corpus/train"], "data.train=~/corpus/train: the value has characters that must be quoted"),
        (["-m", "seed=1,"], "seed=1,: a value is missing next to a comma; write seed=1"),
        (["data.columns=[en,,de]"], "data.columns=[en,,de]: a value is missing next to a comma; "
         "write data.columns=[en,de]"),
        (["trainer.devices=[1"], "trainer.devices=[1: unbalanced brackets"),
        (["just words"], "just words: expected KEY=VALUE"),
        (["/model=tiny"], "/model=tiny: expected KEY=VALUE"),
        (["=3"], "=3: expected KEY=VALUE"),
        ([""], "an empty argument: expected KEY=VALUE"),
        (["~seed"], "batches.seed=${seed}: there is no key seed; leave out ~seed"),
        (["model.dim=${x}"], "model.dim=${x}: there is no key x; give model.dim another value"),
        (["data=shapes"], NEEDS_CAPTIONING),
        (["task=language", "data=shapes"], NEEDS_CAPTIONING),
        (["+model=tiny"], "model is chosen twice; to change the choice, give model=... without +"),
        (["model=3"], "model=3: no such option; options: base, big, demo"),
        (["model=null"], "model=null: no such option; options: base, big, demo"),
        (["model="], "model=: no such option; options: base, big, demo"),
        (["trainer=a/b"], "trainer=a/b: no such option; options: ddp"),
        (["-m", "model=tiny,3"], "point 2 of 2 (model=3): model=3: no such option; options: base"),
        (["seed=1,2"], "seed=1,2: several values; add -m for a sweep"),
        (["-m", "seed="], "seed='': expected an integer"),
        (["--config-name", "nope"], "nope: no such configuration (regard's is train); leave out --config-name"),
        (["seed=1", "--config-dir"], "--config-dir: expected a value after it"),
        (["--config-dir", "", "seed=1"], "--config-dir: expected a value after it"),
        (["--config-dir=", "seed=1"], "--config-dir: expected a value after it"),
        (["--config-dir", "--cfg", "job"], "--config-dir: expected a value after it"),
        (["--config-dir", "/no/such"], "--config-dir /no/such: no such folder; expected the folder of your"),
        (["--cfg", "jobs"], "--cfg jobs: expected job, hydra or all"),
        (["--multirn"], "--multirn: no such option; did you mean --multirun?"),
    ],
)  # fmt: skip
def test_message_names_the_argument_and_its_correct_form(
    arguments: list[str], words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError) as caught:
        compose_points(arguments)
    assert str(caught.value).startswith(words)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_form_suggested_by_a_message_is_accepted() -> None:
    assert compose_points(['name="größe"'])[0][0]["name"] == "größe"


def test_an_override_may_refer_to_another_key() -> None:
    ((config, overrides),) = compose_points(["model.ffn_dim=${model.dim}"])
    assert config["model"]["ffn_dim"] == config["model"]["dim"]
    assert overrides == ["model.ffn_dim=${model.dim}"]


@pytest.mark.parametrize("wrong", ["trainer.max_stpes=3", "+sed=3", "optimizer.lr=-1", "model=tyni", "seed=1,"])
def test_a_wrong_key_or_value_is_found_without_torch(wrong: str, tmp_path: Path) -> None:
    """Importing torch takes several seconds."""
    code = (
        f"import sys, time; sys.argv = ['regard', 'train', {wrong!r}]\n"
        "from regard.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: code = end.code\n"
        "heavy = {'torch', 'pytorch_lightning', 'wandb', 'optuna'} & set(sys.modules)\n"
        "sys.exit(f'{code} {heavy}' if code != 2 or heavy or time.process_time() > 1.5 else 0)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    assert found.stderr.startswith(f"regard: {wrong.lstrip('+').partition('=')[0]}")
    assert not list(tmp_path.iterdir())
