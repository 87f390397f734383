"""x-transformers: its decoder with fused attention."""

from __future__ import annotations

import torch.nn.functional as F
from peers.loop import training_steps
from torch import Tensor
from work import Step, Work
from x_transformers import Decoder, TransformerWrapper

from regard.data.batching import Batch


def lm(work: Work) -> Step:
    """Train with the loss of its AutoregressiveWrapper."""
    sizes = work.model
    dim, heads = sizes["dim"], sizes["num_heads"]
    layers = Decoder(dim=dim, depth=sizes["depth"], heads=heads, attn_dim_head=dim // heads, attn_flash=True)
    model = TransformerWrapper(
        num_tokens=sizes["vocab_size"], max_seq_len=sizes["max_length"], tie_embedding=True, attn_layers=layers
    ).to(work.device)

    def loss(batch: Batch) -> Tensor:
        return F.cross_entropy(model(batch.prefix).transpose(1, 2), batch.target)

    return training_steps(model, work, work.batches, loss, lambda batch: batch.step_tokens)
