"""Decoding and generation of a fixed number of tokens, by the algorithms that the other commands use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch

from regard.bench.flops import inference_flops
from regard.cost.precision import autocast
from regard.cost.workload import Workload
from regard.inference.continuation import continue_rows
from regard.inference.decoding import Sampling
from regard.inference.encoder_decoder import search
from regard.model.transformer import Transformer

LONGEST = 64
"""Number of tokens of each output, if the sequences are not shorter."""
NEVER = -1
"""Not the number of a token: no output ends before its limit."""


@dataclass(frozen=True)
class Outputs:
    """Outputs to be decoded or generated together.

    name: of the algorithm
    sequences: number of outputs
    tokens: of each output
    flops: useful FLOPs of all
    run: decodes outputs of a number of tokens
    """

    name: str
    sequences: int
    tokens: int
    flops: int
    run: Callable[[int], object]


def all_outputs(model: Transformer, workload: Workload, device: torch.device, sequences: int) -> Iterator[Outputs]:
    """Return what ``model`` is measured with: greedy and beam search with an encoder, else generation.

    Generation continues a prompt of half the length, one sequence alone and ``sequences`` together. A beam has the
    ``beam_size`` of the scorer of the task.
    """
    many = replace(workload, rows=sequences)
    if model.encoder is None:
        for each in [workload.one_sequence] + [many] * (sequences > 1):
            yield _generation(model, each, device)
        return
    yield _decoding(model, many, device, beam_size=1)
    if (beam_size := int(workload.config["task"]["scorer"].get("beam_size", 1))) > 1:
        yield _decoding(model, many, device, beam_size)


def _decoding(model: Transformer, workload: Workload, device: torch.device, beam_size: int) -> Outputs:
    source = workload.make_batch(model, device).source

    @torch.inference_mode()
    def run(tokens: int) -> None:
        with autocast(workload.config["trainer"]["precision"], device):
            encoded = model.encode(source)
            assert encoded is not None
            search(model.decoder, encoded, torch.full((workload.rows,), tokens, device=device), beam_size, 1.0, NEVER)

    tokens = min(LONGEST, workload.length)
    flops = inference_flops(workload, device, beam_size, prompt=1, tokens=tokens)
    name = "greedy search" if beam_size == 1 else f"beam search, {beam_size}"
    return Outputs(name, workload.rows, tokens, flops, run)


def _generation(model: Transformer, workload: Workload, device: torch.device) -> Outputs:
    prompt = max(1, workload.length // 2)
    prompts = workload.make_batch(model, device).prefix[:, :prompt].tolist()
    seeds = [[row] for row in range(workload.rows)]

    def run(tokens: int) -> None:
        with autocast(workload.config["trainer"]["precision"], device):
            for _ in continue_rows(model, prompts, Sampling(), tokens, seeds, NEVER):
                pass

    tokens = min(LONGEST, workload.length - prompt)
    flops = inference_flops(workload, device, beams=1, prompt=prompt, tokens=tokens)
    return Outputs("generation", workload.rows, tokens, flops, run)
