"""The speed of a configuration on its device."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import Any

import torch

from regard.bench.flops import training_flops
from regard.bench.measurement import Measurement, Operation
from regard.bench.outputs import Outputs, all_outputs
from regard.bench.products import products_flops_per_second, step_products
from regard.cost.device import Device, find_device, synchronize
from regard.cost.predict.dry_run import step_memory
from regard.cost.predict.memory import MemoryTracker
from regard.cost.timing import flops_per_second, real_model
from regard.cost.training_step import TrainingStep
from regard.cost.units import format_bytes, format_seconds
from regard.cost.workload import UNKNOWN_VOCAB_SIZE, Workload, with_vocabulary, workload
from regard.errors import UsageError
from regard.inference.weights import arrange_weights
from regard.machine import peak_resident_memory
from regard.model.transformer import Transformer
from regard.training.compilation import compile_training
from regard.training.precision import choose_kernels, with_computed_precision

Say = Callable[[str], None]


@dataclass(frozen=True)
class Bench:
    """The speed of a configuration.

    name: its overrides on the command line
    device: where it was measured
    length: tokens of each sequence
    compiled: whether the training step was compiled; compilation_seconds: time of its first run in that case
    matmul_flops_per_second: of the device in the matrix products of the training step, each measured alone
    resident_memory: peak of the memory of this process so far, in bytes, including libraries and earlier measurements
    notes: what was assumed or not measured
    """

    name: str
    device: str
    torch: str
    precision: str
    parameters: int
    vocab_size: int
    length: int
    compiled: bool
    compilation_seconds: float | None
    matmul_flops_per_second: float | None
    resident_memory: int
    measurements: Sequence[Measurement]
    notes: Sequence[str] = field(default_factory=list)


def bench(config: dict[str, Any], name: str, length: int | None, sequences: int, seconds: float, say: Say) -> Bench:
    """Measure the training step, and decoding or generation, of a composed configuration.

    length: tokens of each sequence; None for ``model.max_length``
    sequences: number of outputs that are decoded or generated together
    seconds: time to measure each of them; what takes longer is not measured
    say: called with what is being done

    Raises UsageError if this machine does not have the device of the configuration.
    """
    notes: list[str] = []
    config, known = with_vocabulary(config)
    if not known:
        notes.append(
            f"{UNKNOWN_VOCAB_SIZE:,} tokens are assumed for the vocabulary of the text; see tokenizer.vocab_size"
        )
    config["trainer"] = trainer = with_computed_precision(config["trainer"], notes.append)
    device = find_device(config)
    if device is None:
        raise UsageError(
            f"trainer.accelerator={trainer['accelerator']}: not on this machine; choose another, such as cpu"
        )
    if trainer["devices"] * trainer["num_nodes"] > 1:
        notes.append("one process was measured, without sharding and communication")
    at = workload(config, length or int(config["model"]["max_length"]))
    choose_kernels(trainer["precision"], trainer["accelerator"])
    say(f"{name}: matrix products")
    speed, compilation, measurements = None, None, []
    model = real_model(at, device.torch)
    flops, peak = training_flops(at, device.torch), step_memory(at, device.torch).peak
    if why := _why_not_trained(flops, peak, device, seconds):
        notes.append(f"no training step and no share of the matrix products: {why}")
    else:
        speed = products_flops_per_second(step_products(at, device.torch), device.torch, seconds)
        say(f"{name}: training step")
        compilation, step = _train(model, at, flops, peak, device.torch, seconds, speed)
        measurements.append(step)
    arrange_weights(model.eval())
    for outputs in all_outputs(model, at, device.torch, sequences):
        say(f"{name}: {outputs.name}, {outputs.sequences} at once")
        try:
            measurements.extend(_decode(model, outputs, device.torch, seconds, speed, notes))
        except torch.OutOfMemoryError:
            notes.append(f"no {outputs.name} of {outputs.sequences}: the device is out of memory")
    return Bench(
        name=name,
        device=device.name,
        torch=torch.__version__,
        precision=str(trainer["precision"]),
        parameters=sum(p.numel() for p in model.parameters()),
        vocab_size=config["model"]["vocab_size"],
        length=at.length,
        compiled=compilation is not None,
        compilation_seconds=compilation,
        matmul_flops_per_second=speed,
        resident_memory=peak_resident_memory(),
        measurements=measurements,
        notes=notes,
    )


def _why_not_trained(flops: int, peak: int, device: Device, seconds: float) -> str:
    """Return why a training step is not measured, given its FLOPs and its peak of memory; empty if it is."""
    if peak > device.usable:
        return f"a step needs {format_bytes(peak)} of {format_bytes(device.usable)} usable memory"
    expected = flops / flops_per_second(device.torch)
    if expected > seconds:
        return f"a step would take about {format_seconds(expected)} (--seconds {seconds:g})"
    return ""


def _train(
    model: Transformer, at: Workload, flops: int, peak: int, device: torch.device, seconds: float, speed: float
) -> tuple[float | None, Measurement]:
    """Return the time of compilation, and the measurement of an optimizer step of one process."""
    compiled = bool(at.config["task"].get("compile"))
    training = TrainingStep(model, at.make_batch(model, device), at.config, device)
    if compiled:
        compile_training(model, training.objective)

    def step() -> None:
        for number in range(at.accumulated):
            training.backward(training.forward(), first=number == 0)
        training.update()

    first = _seconds(step, device)
    tokens = at.accumulated * at.rows * at.length
    operation = Operation("training step", at.rows * at.accumulated, tokens, flops, step)
    measured = operation.measure(device, seconds, speed, None if device.type == "cuda" else peak)
    training.optimizer.zero_grad()
    return first if compiled else None, measured


def _decode(
    model: Transformer, outputs: Outputs, device: torch.device, seconds: float, speed: float | None, notes: list[str]
) -> Iterator[Measurement]:
    """Measure ``outputs``, unless one repetition would take longer than ``seconds``."""
    outputs.run(1)
    short, longer = (_seconds(partial(outputs.run, tokens), device) for tokens in (1, 3))
    expected = short + (longer - short) / 2 * (outputs.tokens - 1)
    if expected > seconds:
        notes.append(
            f"no {outputs.name} of {outputs.sequences}: it would take about {format_seconds(expected)} "
            f"(--seconds {seconds:g})"
        )
        return
    memory = None
    if device.type != "cuda":
        with MemoryTracker(chain(model.parameters(), model.buffers())) as tracker:
            outputs.run(outputs.tokens)
        memory = tracker.peak
    operation = Operation(
        outputs.name,
        outputs.sequences,
        outputs.sequences * outputs.tokens,
        outputs.flops,
        partial(outputs.run, outputs.tokens),
    )
    yield operation.measure(device, seconds, speed, memory)


def _seconds(run: Callable[[], object], device: torch.device) -> float:
    """Return the time of a single run."""
    synchronize(device)
    start = time.perf_counter()
    run()
    synchronize(device)
    return time.perf_counter() - start
