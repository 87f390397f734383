"""transformers: Marian with its own grouping by length, and GPT-2."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
import transformers
from peers.loop import training_steps
from torch import Tensor
from transformers.trainer_pt_utils import LengthGroupedSampler
from work import CONTINUATION, WRITTEN, Step, Work

from regard.cost.precision import weights_format
from regard.data.batching import Batch, pad
from regard.data.tokenizer.specials import EOS, PAD

IGNORED = -100
"""The label of padding."""


def marian(sizes: dict[str, Any], **different: Any) -> transformers.MarianMTModel:
    """Make a Marian model of these sizes with one vocabulary and fused attention."""
    settings = {
        "vocab_size": sizes["vocab_size"],
        "decoder_vocab_size": sizes["vocab_size"],
        "max_position_embeddings": sizes["max_length"],
        "d_model": sizes["dim"],
        "encoder_layers": sizes["depth"],
        "decoder_layers": sizes["depth"],
        "encoder_attention_heads": sizes["num_heads"],
        "decoder_attention_heads": sizes["num_heads"],
        "encoder_ffn_dim": sizes["ffn_dim"],
        "decoder_ffn_dim": sizes["ffn_dim"],
        "activation_function": "relu",
        "dropout": sizes["dropout"],
        "attention_dropout": 0.0,
        "activation_dropout": 0.0,
        "scale_embedding": True,
        "share_encoder_decoder_embeddings": True,
        "tie_word_embeddings": True,
        "pad_token_id": PAD,
        "eos_token_id": EOS,
        "decoder_start_token_id": PAD,
        "forced_eos_token_id": None,
        "attn_implementation": "sdpa",
    }
    return transformers.MarianMTModel(transformers.MarianConfig(**(settings | different)))


def gpt2(work: Work) -> transformers.GPT2LMHeadModel:
    """Make a GPT-2 of the sizes of a row, without dropout."""
    sizes = work.model
    config = transformers.GPT2Config(
        vocab_size=sizes["vocab_size"],
        n_positions=sizes["max_length"],
        n_embd=sizes["dim"],
        n_layer=sizes["depth"],
        n_head=sizes["num_heads"],
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=PAD,
        eos_token_id=PAD,
        attn_implementation="sdpa",
    )
    return transformers.GPT2LMHeadModel(config).to(work.device, weights_format(work.precision))


def train(work: Work) -> Step:
    """Train Marian on sentences that its sampler groups by length, as many target tokens in a batch as regard has."""
    model = marian(work.model).to(work.device)
    smoothing = work.config["task"]["objective"]["label_smoothing"]
    wanted = sum(batch.step_tokens for batch in work.batches) / len(work.batches)
    size = round(wanted * len(work.pairs) / sum(len(target) + 1 for _, target in work.pairs))
    sampler = LengthGroupedSampler(
        size, lengths=[len(source) + 1 for source, _ in work.pairs], generator=torch.Generator().manual_seed(0)
    )
    order = list(sampler)
    batches = []
    for first in range(0, min(len(order) - size + 1, len(work.batches) * size), size):
        rows = [work.pairs[row] for row in order[first : first + size]]
        labels = pad([[*target, EOS] for _, target in rows], IGNORED)
        start = torch.full((size, 1), PAD)
        prefix = torch.cat([start, labels[:, :-1].masked_fill(labels[:, :-1] == IGNORED, PAD)], dim=1)
        batches.append([each.to(work.device) for each in (pad([[*source, EOS] for source, _ in rows]), prefix, labels)])

    def loss(batch: list[Tensor]) -> Tensor:
        source, prefix, labels = batch
        logits = model(input_ids=source, attention_mask=(source != PAD).long(), decoder_input_ids=prefix).logits
        return F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED, label_smoothing=smoothing)

    tokens = {id(batch): int((batch[2] != IGNORED).sum()) for batch in batches}
    return training_steps(model, work, batches, loss, lambda batch: tokens[id(batch)])


def lm(work: Work) -> Step:
    """Train GPT-2 with its own loss, which shifts the labels."""
    model = gpt2(work)

    def loss(batch: Batch) -> Tensor:
        value: Tensor = model(batch.prefix, labels=batch.prefix, use_cache=False).loss
        return value

    return training_steps(model, work, work.batches, loss, lambda batch: batch.step_tokens)


def generate(work: Work) -> Step:
    """Continue prompts with the most likely tokens."""
    model, prompts = gpt2(work).eval(), work.prompts
    assert prompts is not None
    mask = torch.ones_like(prompts)

    @torch.inference_mode()
    def step(number: int) -> int:
        length = {"min_new_tokens": CONTINUATION, "max_new_tokens": CONTINUATION}
        found = model.generate(prompts, attention_mask=mask, do_sample=False, pad_token_id=PAD, **length)
        return found[:, prompts.shape[1] :].numel()

    return step


def decode(work: Work) -> Step:
    """Translate with Marian by greedy or beam search."""
    model = marian(work.model).to(work.device, weights_format(work.precision)).eval()

    @torch.inference_mode()
    def step(number: int) -> int:
        source = work.sources[number % len(work.sources)]
        length = {"min_new_tokens": WRITTEN, "max_new_tokens": WRITTEN}
        search = {"num_beams": work.beam_size, "do_sample": False, "early_stopping": False}
        found = model.generate(input_ids=source, attention_mask=(source != PAD).long(), **search, **length)
        return found[:, 1:].numel()

    return step
