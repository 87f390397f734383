"""The cost of one configuration: predicted for every length, and measured as long as a step fits and is quick."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch

from regard.cost.advice import advise
from regard.cost.device import Device, find_device
from regard.cost.exponents import exponent
from regard.cost.predict.dry_run import Flops, cache_bytes, forward_flops, step_flops, step_memory
from regard.cost.predict.flops import quadratic_from
from regard.cost.predict.memory import Memory
from regard.cost.predict.parameters import parameters_by_part
from regard.cost.timing import flops_per_second, generation_seconds, training_seconds
from regard.cost.units import format_bytes, format_seconds
from regard.cost.workload import UNKNOWN_VOCAB_SIZE, Workload, with_vocabulary, workload
from regard.training.precision import choose_kernels, with_computed_precision


@dataclass(frozen=True)
class LengthCost:
    """The cost of sequences of one length. Times are None if they were not measured, prices also without a rate.

    sequences: of a micro-batch
    tokens: target tokens of an optimizer step of all processes
    forward_flops, training_flops: per target token, without and with the backward pass
    memory: of a training step of one process
    cache: bytes of the state of generation per sequence of this length
    training_seconds: time of an optimizer step
    generation_seconds: time of a generated token at this position
    dollars_per_million: price of training on a million target tokens
    dollars_per_run: price of ``trainer.max_steps`` steps
    """

    length: int
    sequences: int
    tokens: int
    forward_flops: float
    training_flops: float
    memory: Memory
    cache: int
    training_seconds: float | None = None
    generation_seconds: float | None = None
    dollars_per_million: float | None = None
    dollars_per_run: float | None = None


@dataclass(frozen=True)
class Cost:
    """The cost of a configuration.

    name: its overrides on the command line
    parameters: by part; parameters_trained: those that are not frozen
    run_length: ``model.max_length``, the length of the sequences of the run itself
    steps: optimizer steps of the run
    device: where times were measured; None if this machine does not have it
    available: bytes of its memory
    fits: whether a training step of the run fits
    advice: what to change if it does not fit; else empty
    quadratic_from: length from which the part of the FLOPs that grows quadratically exceeds the rest; None for never
    exponents: of time per sequence in training, of time per generated token, and of the memory of the activations
        of a sequence, over the longer half of the lengths
    notes: what was assumed or not measured
    """

    name: str
    parameters: Mapping[str, int]
    parameters_trained: int
    vocab_size: int
    precision: str
    run_length: int
    steps: int
    device: str | None
    available: int | None
    fits: bool | None
    advice: str
    quadratic_from: float | None
    exponents: Mapping[str, float | None]
    lengths: Sequence[LengthCost]
    notes: Sequence[str] = field(default_factory=list)

    @property
    def run(self) -> LengthCost:
        """The cost of sequences of ``run_length``."""
        return next(each for each in self.lengths if each.length == self.run_length)


def estimate(
    config: dict[str, Any],
    name: str,
    lengths: Sequence[int],
    dollars_per_hour: float | None,
    seconds: float,
    say: Callable[[str], None],
) -> Cost:
    """Return the cost of a composed configuration for ``lengths`` and for ``model.max_length``.

    dollars_per_hour: price of one device
    seconds: time in which the step of one length is measured; if a single one would take longer, this length and all
        longer ones are not measured
    say: called with what is being done
    """
    notes: list[str] = []
    config, known = with_vocabulary(config)
    if not known:
        notes.append(
            f"{UNKNOWN_VOCAB_SIZE:,} tokens are assumed for the vocabulary of the text; see tokenizer.vocab_size"
        )
    config["trainer"] = trainer = with_computed_precision(config["trainer"], notes.append)
    run_length = int(config["model"]["max_length"])
    device = find_device(config)
    on = torch.device("cpu") if device is None else device.torch
    if device is None:
        notes.append(f"trainer.accelerator={trainer['accelerator']}: not on this machine; no times were measured")
    if config["task"].get("compile"):
        notes.append("times and memory are those without torch.compile (task.compile)")
    if "moving_average" in config["callbacks"]:
        notes.append("callbacks=moving_average needs memory for another copy of the weights")
    if trainer["devices"] * trainer["num_nodes"] > 1:
        notes.append("memory and times are those of one process without sharding and communication")

    def predict(length: int) -> StepCost:
        say(f"{name}: prediction at length {length:,}")
        at = workload(config, length)
        return StepCost(at, step_flops(at, on), step_memory(at, on))

    every = sorted({*lengths, run_length})
    costs = {length: predict(length) for length in every}
    times = (
        Times({}, {})
        if device is None
        else _measure(config, costs, device, seconds, notes, lambda t: say(f"{name}: {t}"))
    )
    run = costs[run_length].workload
    fits = None if device is None else costs[run_length].memory.peak <= device.usable
    with torch.device("meta"):
        model = run.make_model()
    if source := run.describe_source(model):
        notes.append(f"each sequence is generated from {source}")
    rows = [_length_cost(costs[length], on, times, dollars_per_hour, trainer["max_steps"]) for length in every]
    return Cost(
        name=name,
        parameters=parameters_by_part(model),
        parameters_trained=sum(p.numel() for p in model.parameters() if p.requires_grad),
        vocab_size=config["model"]["vocab_size"],
        precision=str(trainer["precision"]),
        run_length=run_length,
        steps=trainer["max_steps"],
        device=None if device is None else device.name,
        available=None if device is None else device.available,
        fits=fits,
        advice="" if device is None or fits else advise(run, lambda at: step_memory(at, on), device.usable),
        quadratic_from=quadratic_from(lambda length: forward_flops(workload(config, length).one_sequence, on)),
        exponents={
            "training": exponent({n: t / workload(config, n).rows for n, t in times.training.items()}),
            "generation": exponent(times.generation),
            "activations": exponent({row.length: row.memory.activations / row.sequences for row in rows}),
        },
        lengths=rows,
        notes=notes,
    )


class StepCost(NamedTuple):
    """What is predicted for a training step."""

    workload: Workload
    flops: Flops
    memory: Memory


@dataclass(frozen=True)
class Times:
    """Measured seconds of an optimizer step and of a generated token, by length."""

    training: dict[int, float]
    generation: dict[int, float]


def _measure(
    config: dict[str, Any],
    costs: Mapping[int, StepCost],
    device: Device,
    seconds: float,
    notes: list[str],
    say: Callable[[str], None],
) -> Times:
    """Measure times for ascending lengths until a step would not fit or would take longer than ``seconds``."""
    choose_kernels(config["trainer"]["precision"], config["trainer"]["accelerator"])
    times = Times({}, {})
    speed = flops_per_second(device.torch)
    for length, cost in costs.items():
        at = cost.workload
        flops = cost.flops.training * at.accumulated
        expected = flops / speed
        why = ""
        if cost.memory.peak > device.usable:
            why = f"a step needs {format_bytes(cost.memory.peak)} of {format_bytes(device.usable)} usable memory"
        elif expected > seconds:
            why = f"a step would take about {format_seconds(expected)} (--seconds {seconds:g})"
        if why:
            notes.append(f"no times from length {length:,}: {why}")
            break
        say(f"training at length {length:,}")
        try:
            times.training[length] = training_seconds(at, device.torch, seconds)
            speed = flops / times.training[length]
            say(f"generation at length {length:,}")
            times.generation[length] = generation_seconds(at, device.torch, seconds / 4)
        except torch.OutOfMemoryError:
            notes.append(f"no times from length {length:,}: the device is out of memory")
            break
    return times


def _length_cost(
    cost: StepCost, device: torch.device, times: Times, dollars_per_hour: float | None, steps: int
) -> LengthCost:
    at = cost.workload
    step = times.training.get(at.length)
    trainer = at.config["trainer"]
    dollars = None
    if step is not None and dollars_per_hour is not None:
        dollars = step / 3600 * dollars_per_hour * trainer["devices"] * trainer["num_nodes"]
    return LengthCost(
        length=at.length,
        sequences=at.rows,
        tokens=at.step_tokens,
        forward_flops=cost.flops.forward / (at.rows * at.length),
        training_flops=cost.flops.training / (at.rows * at.length),
        memory=cost.memory,
        cache=cache_bytes(at, device),
        training_seconds=step,
        generation_seconds=times.generation.get(at.length),
        dollars_per_million=None if dollars is None else dollars / at.step_tokens * 1e6,
        dollars_per_run=None if dollars is None else dollars * steps,
    )
