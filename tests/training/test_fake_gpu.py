"""Steps of all tasks with fake tensors on a GPU: finds tensors left on the CPU without a GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode
from torch.nn import Parameter
from torch.utils._python_dispatch import TorchDispatchMode

from regard.data.batching import Batch
from regard.inference.decoding import Sampling
from regard.inference.drawing.drawing import Drawing
from regard.inference.drawing.rectified_flow import draw
from regard.inference.drawing.text_to_image import TextToImage
from regard.inference.generator import TextGenerator
from regard.instantiate import build
from regard.model.transformer import Transformer
from regard.runs.folder import RunFolder
from regard.runs.work import make_task
from regard.training.callbacks.metrics import MetricsLogger
from regard.training.callbacks.metrics_file import MetricsFile
from regard.training.callbacks.moving_average import MovingAverage
from regard.training.task import Task

MakeRun = Callable[..., RunFolder]

TASKS = {
    "translation": "make_run",
    "language": "make_language_run",
    "answers": "make_answers_run",
    "captioning": "make_captioning_run",
    "text to image": "make_drawing_run",
}
MIXERS = {
    "attention": [],
    "H3": ["mixer=h3"],
    "S4D": ["mixer=s4d"],
    "S4D and attention": ["mixer=s4d", "model.depth=2", "model.mixer.attention_layers=[1]"],
}
OTHERS = {
    "translation, other pieces": [
        *("positions=sinusoidal", "feed_forward=swiglu", "norm=rms_norm", "residual=post_norm"),
    ],
    "translation, shared keys and values": ["model.mixer.num_kv_heads=1", "positions=learned"],
    "translation, recomputed layers": ["task.activation_checkpointing=true"],
    "translation, Muon": ["optimizer=muon"],
    "language, isolated documents": ["batches.isolate_documents=true"],
}
CASES = {
    **{f"{task}, {mixer}": (TASKS[task], MIXERS[mixer]) for task in TASKS for mixer in MIXERS},
    **{case: (TASKS[case.partition(",")[0]], overrides) for case, overrides in OTHERS.items()},
}
EVALUATED = [case for case in CASES if "S4D" not in case or case.startswith("language")]


class NoCopyBetweenDevices(TorchDispatchMode):
    """Raises an error if a tensor is copied from one device to another: the host waits for such a copy.

    Fake tensors raise one themselves if the host reads a value.
    """

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default):
            devices = {each.device.type for each in (*args, result) if isinstance(each, Tensor)}
            assert len(devices) == 1, f"a copy between {' and '.join(sorted(devices))}"
        return result


@contextmanager
def on_gpu(make_run: MakeRun, *overrides: str) -> Iterator[tuple[Task, Batch]]:
    """A task and a batch of fake tensors on a GPU."""
    config = make_run(*overrides, "name=fake").config()
    batches = build(config["batches"])
    dataset, items = batches.evaluation("validation")
    batch = dataset[items[0]]
    task = make_task(config, batches)
    task.trainer = stand_in(step=1)
    with FakeTensorMode(allow_non_fake_inputs=False):
        moved: dict[Tensor, Tensor] = {}  # a weight shared by two modules stays shared

        def fake(tensor: Tensor) -> Tensor:
            if tensor not in moved:
                found = torch.empty(tensor.shape, dtype=tensor.dtype, device="cuda")
                moved[tensor] = Parameter(found) if isinstance(tensor, Parameter) else found
            return moved[tensor]

        for module in task.modules():
            for tensors in (module._parameters, module._buffers):
                tensors.update({name: fake(tensor) for name, tensor in tensors.items() if tensor is not None})
        yield task, Batch(*(fake(value) if isinstance(value, Tensor) else value for value in batch))


def stand_in(step: int) -> pl.Trainer:
    """A stand-in for a Trainer at this step."""
    return cast(pl.Trainer, SimpleNamespace(world_size=1, accumulate_grad_batches=1, global_step=step))


@pytest.mark.parametrize("case", CASES)
def test_the_steps_of_a_task(
    case: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fixture, overrides = CASES[case]
    with on_gpu(request.getfixturevalue(fixture), *overrides) as (task, batch):
        train(task, batch, tmp_path)
        if case in EVALUATED:
            # Decoding depends on the values of tokens, which fake tensors do not have. Its steps are run one by one.
            monkeypatch.setattr(task.scorer, "outputs", lambda *_: {})
            evaluate(task, batch)


def train(task: Task, batch: Batch, folder: Path) -> None:
    """One training step with the callbacks that follow every step."""
    optimizer = task.configure_optimizers()["optimizer"]
    average = MovingAverage(0.9)
    average.on_train_start(stand_in(step=0), task)
    with NoCopyBetweenDevices():
        outputs = task.training_step(batch, 0)
    assert {value.device.type for value in outputs.values()} == {"cuda"}
    for parameter in task.parameters():  # the backward pass needs a real GPU
        parameter.grad = torch.empty_like(parameter)
    logger = MetricsLogger(MetricsFile(folder / "metrics.csv"), 2)
    with NoCopyBetweenDevices():
        logger.on_before_optimizer_step(task.trainer, task, optimizer)
        optimizer.step()
        average.on_train_batch_end(task.trainer, task, outputs, batch, 0)
        logger.on_train_batch_end(stand_in(step=3), task, outputs, batch, 0)
    average.on_validation_start(task.trainer, task)


@torch.no_grad()
def evaluate(task: Task, batch: Batch) -> None:
    """One validation step, and steps of the generator."""
    task.eval()
    task.on_validation_epoch_start()
    task.validation_step(batch, 0)
    generator = task.generator
    if isinstance(generator, TextToImage):
        assert batch.source is not None
        noise = generator.noise(range(len(batch.source)))
        *_, last = draw(generator.model, batch.source, noise, Drawing(2, 1.5, "heun"))
        assert generator.model.as_images(last.noisy).device.type == "cuda"
    elif isinstance(generator, TextGenerator):
        decode(generator.model, batch)


def decode(model: Transformer, batch: Batch) -> None:
    """Two steps with three beams."""
    state = model.decoder.start(model.encode(batch.source), rows=len(batch.prefix) * 3)
    rows = torch.arange(len(batch.prefix) * 3, device="cuda")
    for _ in range(2):
        logits, state = model.decoder.step(torch.ones_like(rows), state)
        state = state.reorder(rows.flip(0))
    assert Sampling(0.7, top_k=3, top_p=0.9).draw(logits, torch.rand(len(rows))).device.type == "cuda"
    state.select([1, 0])


def test_a_tensor_left_on_the_cpu_is_found(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    with on_gpu(make_run) as (task, batch), pytest.raises(RuntimeError, match="cpu"):
        task.training_step(batch._replace(target=torch.ones(batch.target.shape, dtype=torch.long)), 0)


@pytest.mark.parametrize("wait", [lambda loss: loss.cpu(), lambda loss: loss.item(), lambda loss: loss > 0 or loss])
def test_a_wait_for_the_gpu_is_found(wait: Callable[[Tensor], object], make_run: MakeRun) -> None:
    with on_gpu(make_run) as (task, batch):
        loss = task.training_step(batch, 0)["loss"].detach()
        with NoCopyBetweenDevices(), pytest.raises((AssertionError, DataDependentOutputException)):
            wait(loss)
