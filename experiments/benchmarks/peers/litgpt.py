"""litgpt: its GPT with the layers of nanoGPT, but rotary positions and a separate output layer."""

from __future__ import annotations

import torch
from litgpt import GPT, Config
from litgpt.generate.base import batched_generate_fn, generate_fn
from litgpt.utils import chunked_cross_entropy
from peers.loop import training_steps
from torch import Tensor
from work import CONTINUATION, PROMPT, Step, Work

from regard.cost.precision import weights_format
from regard.data.batching import Batch


def gpt(work: Work) -> GPT:
    """Make a model of the sizes of a row."""
    sizes = work.model
    config = Config(
        name="nanoGPT",
        block_size=sizes["max_length"],
        n_layer=sizes["depth"],
        n_head=sizes["num_heads"],
        n_embd=sizes["dim"],
        vocab_size=sizes["vocab_size"],
        padded_vocab_size=sizes["vocab_size"],
        rotary_percentage=1.0,
        parallel_residual=False,
        bias=False,
        norm_class_name="LayerNorm",
        mlp_class_name="GptNeoxMLP",
        intermediate_size=sizes["ffn_dim"],
    )
    return GPT(config).to(work.device, weights_format(work.precision))


def lm(work: Work) -> Step:
    """Train with the loss of its pretraining."""
    model = gpt(work)

    def loss(batch: Batch) -> Tensor:
        return chunked_cross_entropy(model(batch.prefix), batch.target, chunk_size=0)

    return training_steps(model, work, work.batches, loss, lambda batch: batch.step_tokens)


def generate(work: Work) -> Step:
    """Continue prompts with the most likely tokens: one with generate_fn, several with batched_generate_fn."""
    model, prompts, end = gpt(work).eval(), work.prompts, PROMPT + CONTINUATION
    assert prompts is not None
    model.max_seq_length = end
    model.set_kv_cache(len(prompts), device=work.device, dtype=weights_format(work.precision))
    greedy = {"temperature": 0.0, "top_k": None}

    @torch.inference_mode()
    def step(number: int) -> int:
        if len(prompts) == 1:
            return sum(1 for _ in generate_fn(model, prompts[0], end, include_prompt=False, include_eos=True, **greedy))
        steps = batched_generate_fn(model, prompts, end, sample_args=greedy, include_prompt=False, include_eos=True)
        return sum(len(tokens) for tokens in steps)

    return step
