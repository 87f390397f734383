"""Training and gradient clipping in every precision."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import torch

from regard.config.compose import compose_points
from regard.errors import UsageError
from regard.runs.folder import RunFolder
from regard.runs.work import work
from regard.training.checkpoint import load_model, read_checkpoint
from regard.training.precision import choose_kernels, with_computed_precision


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "bf16-true"])
def test_gradients_are_clipped(make_run: Callable[..., RunFolder], precision: str) -> None:
    short = ["trainer.max_steps=1", "trainer.gradient_clip_val=0.01"]
    run = make_run(*short, f"trainer.precision={precision}", f"name={precision}")
    assert run.config()["optimizer"]["fused"]
    assert work(run.path) == 0, (run.path / "log.txt").read_text()
    (state,) = read_checkpoint(run.checkpoints / "last.ckpt")["optimizer_states"]
    # After one step the first moment is the gradient times 1 - beta (Kingma and Ba 2015, algorithm 1).
    moments = [values["exp_avg"].float() for values in state["state"].values()]
    gradient = torch.nn.utils.get_total_norm(moments) / (1 - run.config()["optimizer"]["betas"][0])
    assert gradient == pytest.approx(0.01, rel=0.02 if precision == "bf16-true" else 1e-4)
    assert load_model(run.checkpoints / "last.ckpt").step == 1


@pytest.mark.parametrize("trainer", ["gpu", "ddp", "fsdp"])
def test_trainers_on_gpus_share_one_precision(trainer: str) -> None:
    ((config, _),) = compose_points([f"trainer={trainer}"])
    assert config["trainer"]["precision"] == "bf16-mixed"
    ((config, _),) = compose_points([f"trainer={trainer}", "trainer.accelerator=cpu"])
    assert config["trainer"]["precision"] == "32-true"
    ((config, _),) = compose_points([f"trainer={trainer}", "trainer.precision=32-true"])
    assert config["trainer"]["precision"] == "32-true"


@pytest.mark.parametrize(
    ("precision", "accelerator", "name"),
    [("bf16-mixed", "gpu", "high"), ("32-true", "gpu", "highest"), ("32-true", "cpu", "highest")],
)
def test_float32_products_are_as_precise_as_asked(precision: str, accelerator: str, name: str) -> None:
    choose_kernels(precision, accelerator)
    assert torch.get_float32_matmul_precision() == name
    assert torch.backends.cudnn.allow_tf32 == (name == "high")  # of convolutions
    torch.set_float32_matmul_precision("highest")


@pytest.mark.parametrize("emulated", [True, False])
def test_bf16_mixed_computes_in_float32_where_bfloat16_is_emulated(
    monkeypatch: pytest.MonkeyPatch, emulated: bool
) -> None:
    monkeypatch.setattr("regard.training.precision.emulates_bfloat16", lambda accelerator: emulated)
    said: list[str] = []
    trainer = {"precision": "bf16-mixed", "accelerator": "cpu", "devices": 1}
    computed = with_computed_precision(trainer, said.append)
    assert computed == trainer | {"precision": "32-true" if emulated else "bf16-mixed"}
    assert [text.startswith("trainer.precision=bf16-mixed: ") for text in said] == [True] * emulated
    for other in ("32-true", "bf16-true", "16-mixed"):
        assert with_computed_precision(trainer | {"precision": other}, said.append)["precision"] == other


def test_a_run_says_and_records_the_precision_it_computes_in(
    make_run: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("regard.training.precision.emulates_bfloat16", lambda accelerator: True)
    run = make_run("trainer.max_steps=1", "trainer.precision=bf16-mixed")
    assert work(run.path) == 0
    assert json.loads((run.path / "summary.json").read_text())["precision"] == "32-true"
    assert run.config()["trainer"]["precision"] == "bf16-mixed"
    assert "products are computed in float32" in (run.path / "log.txt").read_text()


def test_attention_kernel_is_not_replanned_for_each_shape() -> None:
    torch.backends.cuda.enable_cudnn_sdp(True)
    choose_kernels("bf16-mixed", "gpu")
    assert not torch.backends.cuda.cudnn_sdp_enabled()


def test_summary_has_the_precision(finished: RunFolder) -> None:
    summary = json.loads((finished.path / "summary.json").read_text())
    assert (summary["precision"], summary["device"]) == ("32-true", "cpu")
    assert summary["float32_matmul_precision"] == "highest"


def test_unclippable_optimizer_is_refused_before_a_folder_is_created() -> None:
    with pytest.raises(UsageError, match=r"optimizer.fused=true: .* in 16-mixed; give optimizer.fused=false"):
        compose_points(["trainer=gpu", "trainer.precision=16-mixed"])
    assert compose_points(["trainer=gpu", "trainer.precision=16-mixed", "optimizer.fused=false"])
