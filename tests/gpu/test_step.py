"""A training step of every task and mixer on a GPU: the numbers of a CPU, and no wait for the device."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from regard.cost.precision import autocast, weights_format
from regard.cost.training_step import TrainingStep
from regard.data.batching import Batch
from regard.data.tokenizer.specials import PAD
from regard.inference import replayed_steps
from regard.inference.decoding import without_gaps
from regard.inference.forced_pass import summed_loss
from regard.instantiate import build
from regard.model.attention import attend, attention_weights
from regard.model.transformer import Transformer
from regard.runs.folder import RunFolder
from regard.runs.work import make_task
from regard.training.objectives import output_loss as output_loss_module
from regard.training.objectives.output_loss import output_loss

MakeRun = Callable[..., RunFolder]
TASKS = ["translation", "language", "answers", "captioning", "text_to_image"]
MIXERS = {
    "attention": [],
    "h3": ["mixer=h3"],
    "s4d": ["mixer=s4d"],
    "hybrid": ["mixer=h3", "model.depth=2", "model.mixer.attention_layers=[1]"],
}

# Largest difference from a step in float32 on a CPU: of the loss, and of the gradient, as shares of their size.
CLOSE = {"32-true": (1e-4, 1e-3), "bf16-mixed": (2e-2, 0.1), "bf16-true": (5e-2, 0.3)}


def make_step(make_task_run: MakeRun, task: str, *overrides: str) -> Callable[[torch.device, str], TrainingStep]:
    """Return a function that makes steps with the same weights and batch on any device in any precision."""
    config = make_task_run(task, *overrides).config()
    batches = build(config["batches"])
    dataset, items = batches.evaluation("validation")
    batch, model = dataset[items[0]]._replace(step_tokens=10), make_task(config, batches).model

    def step(device: torch.device, precision: str) -> TrainingStep:
        trainer = config["trainer"] | {"precision": precision}
        dtype = torch.bfloat16 if precision == "bf16-true" else torch.float32
        return TrainingStep(
            copy.deepcopy(model).to(device, dtype), batch.on(device), config | {"trainer": trainer}, device
        )

    return step


@contextmanager
def drawn_on_the_cpu() -> Iterator[None]:
    """Inside, random numbers are drawn on the CPU and moved: the generator of a GPU has others."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("randn", "rand"):
            draw = partial(getattr(torch, name), dtype=torch.float32)
            patch.setattr(
                torch, name, lambda *size, device, draw=draw: draw(*size).to(device, torch.get_default_dtype())
            )
        patch.setattr(torch, "randn_like", lambda like: torch.randn(like.shape, device=like.device))
        yield


def loss_and_gradient(step: TrainingStep) -> tuple[float, Tensor]:
    torch.manual_seed(1)
    torch.set_default_dtype(weights_format(step.precision))  # as Lightning does in bf16-true
    with drawn_on_the_cpu():
        loss = step.forward()
    torch.set_default_dtype(torch.float32)
    step.backward(loss, first=True)
    return loss.item(), torch.cat([p.grad.flatten().float().cpu() for p in step.parameters if p.grad is not None])


@pytest.mark.parametrize("precision", CLOSE)
@pytest.mark.parametrize("mixer", MIXERS)
@pytest.mark.parametrize("task", TASKS)
def test_loss_and_gradient_are_those_of_a_cpu(
    task: str, mixer: str, precision: str, device: torch.device, make_task_run: MakeRun
) -> None:
    step = make_step(make_task_run, task, *MIXERS[mixer])
    loss, gradient = loss_and_gradient(step(torch.device("cpu"), "32-true"))
    trained = step(device, precision)
    found_loss, found_gradient = loss_and_gradient(trained)
    of_loss, of_gradient = CLOSE[precision]
    assert found_loss == pytest.approx(loss, rel=of_loss)
    assert (found_gradient - gradient).norm() <= of_gradient * gradient.norm()
    trained.update()
    assert all(parameter.isfinite().all() for parameter in trained.parameters)


@contextmanager
def no_wait(device: torch.device) -> Iterator[None]:
    """Inside, an operation that waits for the device raises an error; on a CPU nothing does."""
    if device.type == "cuda":
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        if device.type == "cuda":
            torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("mixer", MIXERS)
@pytest.mark.parametrize("task", TASKS)
def test_a_step_does_not_wait_for_the_device(
    task: str, mixer: str, optimizer: str, device: torch.device, make_task_run: MakeRun
) -> None:
    step = make_step(make_task_run, task, *MIXERS[mixer], f"optimizer={optimizer}")(device, "bf16-mixed")
    for number in range(2):  # the first one allocates memory and loads kernels
        with no_wait(device) if number else no_wait(torch.device("cpu")):
            step.backward(step.forward(), first=True)
            step.update()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="only a GPU has pinned memory")
def test_a_batch_is_moved_from_pinned_memory_without_a_wait(device: torch.device, make_task_run: MakeRun) -> None:
    from pytorch_lightning.utilities import move_data_to_device

    config = make_task_run("captioning", "trainer.accelerator=gpu").config()
    data: Any = build(config["batches"])
    dataset, items = data.evaluation("validation")
    loader = torch.utils.data.DataLoader(dataset, sampler=items, batch_size=None, pin_memory=True)
    batch = next(iter(loader))
    assert isinstance(batch, Batch)
    assert all(tensor.is_pinned() for tensor in batch if isinstance(tensor, Tensor))
    with no_wait(device):
        moved = move_data_to_device(batch, device)
    assert moved.target.device.type == "cuda"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_a_query_that_may_attend_to_nothing_gets_zeros_and_finite_gradients(
    dtype: torch.dtype, device: torch.device
) -> None:
    torch.manual_seed(0)
    query, key, value = (torch.randn(2, 3, 17, 32, device=device, dtype=dtype, requires_grad=True) for _ in range(3))
    mask = torch.rand(2, 1, 17, 17, device=device) < 0.5
    mask[0, :, 4] = mask[1] = False
    mixed = attend(query, key, value, mask)
    explicit = attention_weights(query, key, mask) @ value.float()
    torch.testing.assert_close(mixed.float(), explicit, rtol=0, atol=1e-5 if dtype == torch.float32 else 3e-2)
    assert not mixed[0, :, 4].any()
    assert not mixed[1].any()
    mixed.sum().backward()
    for tensor in (query, key, value):
        assert tensor.grad is not None
        assert tensor.grad.isfinite().all()


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_the_output_loss_is_that_of_all_logits(
    compiled: bool, precision: str, device: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a vocabulary that is padded on a GPU, in several chunks."""
    monkeypatch.setattr(output_loss_module, "GPU_LOGITS", 1)
    torch.manual_seed(0)
    hidden, weight = torch.randn(700, 32, requires_grad=True), torch.randn(1001, 32, requires_grad=True)
    target = torch.randint(1, 1001, (700,))
    target[100:200] = PAD
    expected = summed_loss((hidden @ weight.T)[None], target[None], 0.1)
    gradients = torch.autograd.grad(expected, (hidden, weight))
    moved = [tensor.detach().to(device).requires_grad_() for tensor in (hidden, weight)]
    with autocast(precision, device):
        loss = output_loss(*moved, target.to(device), 0.1, compiled=compiled)
    of_loss, of_gradient = CLOSE[precision]
    assert loss.item() == pytest.approx(expected.item(), rel=of_loss)
    for found, right in zip(torch.autograd.grad(loss, moved), gradients, strict=True):
        assert (found.cpu() - right).norm() <= of_gradient * right.norm()


@pytest.mark.parametrize("mixer", MIXERS)
@pytest.mark.parametrize("task", ["translation", "language"])
@torch.inference_mode()
def test_replayed_steps_equal_steps_of_the_decoder(
    task: str, mixer: str, device: torch.device, make_task_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While rows leave, and caches become full."""
    monkeypatch.setattr(replayed_steps, "SMALLEST_CAPACITY", 4)
    step = make_step(make_task_run, task, *MIXERS[mixer])(device, "32-true")
    model, source = step.model.eval(), step.batch.source
    assert isinstance(model, Transformer)
    source = None if source is None else source[:1].repeat(4, 1)
    state, other = (model.decoder.start(model.encode(source), rows=4) for _ in range(2))
    replayed, tokens = replayed_steps.steps_of(model.decoder), torch.full((4,), 1, device=device)
    for number in range(min(20, model.max_length)):
        expected, state = model.decoder.step(tokens, state)
        found, other = replayed(tokens, other)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
        if number in (5, 14):
            stays = without_gaps(list(range(1, len(tokens))))
            state, other, tokens = state.select(stays), other.select(stays), tokens[stays]
        tokens = torch.randint(1, found.shape[1], tokens.shape, device=device)
    if device.type == "cuda":
        assert isinstance(replayed, replayed_steps.ReplayedSteps)
        assert replayed.recording is not None


@pytest.mark.parametrize("mixer", MIXERS)
def test_continuing_a_prefix_equals_reading_it_at_once(
    mixer: str, device: torch.device, make_task_run: MakeRun
) -> None:
    step = make_step(make_task_run, "language", *MIXERS[mixer])(device, "32-true")
    model, prefix = step.model.eval(), step.batch.prefix
    assert isinstance(model, Transformer)
    with torch.inference_mode():
        whole = model(prefix, None)
        state = model.decoder.start(None, rows=len(prefix))
        for position in range(prefix.shape[1]):
            logits, state = model.decoder.step(prefix[:, position], state)
            torch.testing.assert_close(logits, whole[:, position], rtol=1e-4, atol=1e-4)
