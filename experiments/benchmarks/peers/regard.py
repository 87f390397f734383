"""regard, with the code that its commands run."""

from __future__ import annotations

import torch
from work import CONTINUATION, WRITTEN, Step, Work

from regard.cost.timing import real_model
from regard.cost.training_step import TrainingStep
from regard.inference.continuation import continue_rows
from regard.inference.decoding import Sampling
from regard.inference.encoder_decoder import search
from regard.inference.weights import arrange_weights
from regard.training.compilation import compile_training

NEVER = -1
"""Not the number of a token: no output ends before its limit."""


def train(work: Work) -> Step:
    """Train with the objective and the optimizer of the configuration."""
    model = real_model(work.workload, work.device)
    training = TrainingStep(model, work.batches[0], work.workload.config, work.device)
    if work.config["task"]["compile"]:
        compile_training(model, training.objective)

    def step(number: int) -> int:
        training.batch = work.batches[number % len(work.batches)]
        training.backward(training.forward(), first=True)
        training.update()
        return training.batch.step_tokens

    return step


lm = train


def generate(work: Work) -> Step:
    """Continue prompts with the most likely tokens."""
    assert work.prompts is not None
    model = arrange_weights(real_model(work.workload, work.device).eval())
    prompts = work.prompts.tolist()
    seeds = [[row] for row in range(len(prompts))]

    def step(number: int) -> int:
        return sum(1 for _ in continue_rows(model, prompts, Sampling(temperature=0), CONTINUATION, seeds, NEVER))

    return step


def decode(work: Work) -> Step:
    """Translate by greedy or beam search."""
    model = arrange_weights(real_model(work.workload, work.device).eval())

    @torch.inference_mode()
    def step(number: int) -> int:
        source = work.sources[number % len(work.sources)]
        encoded = model.encode(source)
        assert encoded is not None
        limits = torch.full((len(source),), WRITTEN, device=work.device)
        found = search(model.decoder, encoded, limits, work.beam_size, 1.0, NEVER)
        return sum(len(each.tokens) for each in found)

    return step
