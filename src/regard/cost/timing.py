"""Measured times of training and generation on a device."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import torch

from regard.cost.device import synchronize
from regard.cost.generation import Generation
from regard.cost.precision import weights_format
from regard.cost.training_step import TrainingStep
from regard.cost.workload import Workload
from regard.model.transformer import Transformer

REPETITIONS = 10
"""Maximum number of measurements of a time."""
GENERATED = 32
"""Tokens that are generated to measure the time of one."""
SIZE = 1024
"""Rows and columns of the matrices whose product measures the speed of a device."""


def training_seconds(workload: Workload, device: torch.device, seconds: float) -> float:
    """Return the time of an optimizer step of one process; the measurement takes about ``seconds``."""
    model = real_model(workload, device)
    step = TrainingStep(model, workload.make_batch(model, device), workload.config, device)
    micro = median_seconds(lambda: step.backward(step.forward(), first=True), device, seconds)
    return workload.accumulated * micro + median_seconds(step.update, device, seconds / 4)


def generation_seconds(workload: Workload, device: torch.device, seconds: float) -> float:
    """Return the time to generate one of the last tokens of a sequence of ``workload.length`` tokens."""
    model = real_model(workload, device)
    generated = min(GENERATED, workload.length // 2)
    batch = workload.one_sequence.make_batch(model, device)
    generation = Generation(model, batch, workload.length - generated)
    return median_seconds(generation.step, device, seconds, generated) if generated else 0.0


def flops_per_second(device: torch.device) -> float:
    """Return the speed of a product of float32 matrices, which a training step does not exceed by much."""
    left, right = torch.randn(2, SIZE, SIZE, device=device)
    return 2 * SIZE**3 / median_seconds(lambda: left @ right, device, 0.5)


def median_seconds(
    run: Callable[[], object], device: torch.device, seconds: float, repetitions: int = REPETITIONS
) -> float:
    """Return the median of `repeated_seconds`."""
    return median(repeated_seconds(run, device, seconds, repetitions))


def repeated_seconds(
    run: Callable[[], object], device: torch.device, seconds: float, repetitions: int = REPETITIONS
) -> list[float]:
    """Return times of ``run``, in seconds: at most ``repetitions``, all within about ``seconds``.

    The first one, which also allocates memory and chooses kernels, counts only if there is no other.
    """
    times: list[float] = []
    begin = time.perf_counter()
    for _ in range(repetitions):
        synchronize(device)
        start = time.perf_counter()
        run()
        synchronize(device)
        times.append(time.perf_counter() - start)
        if time.perf_counter() + times[-1] - begin > seconds:
            break
    return times[1:] or times


def real_model(workload: Workload, device: torch.device) -> Transformer:
    """Build the model of a workload on ``device``, with weights in the number format of the run."""
    with device:
        return workload.make_model().to(weights_format(workload.config["trainer"]["precision"]))
