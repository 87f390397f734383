"""Sharding: which process holds which weights at which time, in two processes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from warm import WarmProcess

SCRIPT = """
import sys
from functools import partial
from pathlib import Path

import torch
import torch.distributed
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor
from torch.nn.utils import clip_grad_norm_

from regard.model.encoders.text import TextEncoder
from regard.model.feed_forward import relu
from regard.model.layer import Layer
from regard.model.mixer import SelfAttention
from regard.model.norm import layer_norm
from regard.model.positions import Sinusoidal
from regard.model.residual import PreNorm
from regard.model.transformer import Transformer
from regard.training.checkpoint import load_weights
from regard.training.distributed.sharding import reshard, shard, unshard
from regard.training.muon import Muon
from regard.training.parameter_groups import optimizer_of

rank, store = int(sys.argv[1]), sys.argv[2]
torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
sizes = dict(vocab_size=14, source_vocab_size=None, dim=8, depth=2, num_heads=2, ffn_dim=8, dropout=0.0, max_length=16)
pieces = dict(positions=Sinusoidal, mixer=SelfAttention, feed_forward=relu, residual=partial(PreNorm, norm=layer_norm))


def make(seed):
    torch.manual_seed(seed)
    return Transformer(**sizes, **pieces, encoder=partial(TextEncoder, depth=2))


def held():
    return sum((p.to_local() if isinstance(p, DTensor) else p).numel() for p in model.parameters())


def step(model, rows):
    model.zero_grad()
    model(prefix[rows], source[rows]).square().mean().backward()


whole, model = make(0), make(0)
names, total = list(model.state_dict()), sum(p.numel() for p in model.parameters())
prefix, source = torch.randint(3, 14, (4, 6)), torch.randint(3, 14, (4, 5))
shard(model, init_device_mesh("cpu", (2,)))

# Each process holds half of the weights. Every layer is a group; the tied embedding is in the group of the model.
assert list(model.state_dict()) == names
assert held() * 2 == total, (held(), total)
assert {m for m in model.modules() if isinstance(m, FSDPModule)} == {
    model, *(m for m in model.modules() if isinstance(m, Layer))
}

# Whole weights are sharded when they are loaded. Weights of another seed show that they were loaded.
load_weights(model, {"state_dict": {f"model.{name}": weight for name, weight in make(7).state_dict().items()}}, Path())
assert all(p.full_tensor().equal(q) for p, q in zip(model.parameters(), make(7).parameters(), strict=True))
load_weights(model, {"state_dict": {f"model.{name}": weight for name, weight in whole.state_dict().items()}}, Path())

# Each process trains on half of the rows. Clipped gradients and their norm are those of all rows, and so are updates
# whose matrices are gathered. The large eps keeps AdamW from dividing rounding errors by each other.
make_muon = partial(Muon, lr=0.01, momentum=0.9, weight_decay=0.1, adamw_lr=0.01, betas=(0.9, 0.98), eps=1e-3)
optimizers = [optimizer_of(each, make_muon) for each in (whole, model)]


def compare():
    step(whole, slice(None))
    step(model, slice(rank, None, 2))
    norm = clip_grad_norm_(whole.parameters(), 0.01)
    assert norm > 0.02
    torch.testing.assert_close(clip_grad_norm_(model.parameters(), 0.01).full_tensor(), norm)
    for p, q in zip(model.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(p.grad.full_tensor(), q.grad)
    for optimizer in optimizers:
        optimizer.step()
    for p, q in zip(model.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(p.full_tensor(), q, rtol=0, atol=1e-5)
    states = [state for optimizer in optimizers for state in optimizer.state.values() if "momentum_buffer" in state]
    assert len(states) == 2 * 26, "five matrices of an encoder layer, eight of a decoder layer"
    assert held() * 2 == total, "sharded again after a step"


def evaluate():
    with torch.inference_mode():
        unshard(model)
        assert held() == total
        logits = model(prefix, source)
        for _ in range(3 * rank):  # only one process runs these passes, of parts of the model
            state = model.decoder.start(model.encode(source), 4)
            model.decoder.extend(prefix, state)
        assert held() == total
        reshard(model)
    torch.testing.assert_close(logits, whole(prefix, source))
    assert held() * 2 == total


evaluate()  # also before the first step
compare()
evaluate()
compare()
model(prefix, source)
assert not any(isinstance(p, DTensor) for p in model.decoder.embedding.parameters()), "needed by the backward pass"
assert all(isinstance(p, DTensor) for layer in model.decoder.layers for p in layer.parameters()), "sharded again"
torch.distributed.destroy_process_group()
"""


def test_two_processes_train_one_sharded_model(tmp_path: Path, start_warm: Callable[..., WarmProcess]) -> None:
    processes = [start_warm("-c", SCRIPT, str(rank), str(tmp_path / "store")) for rank in range(2)]
    errors = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], "\n".join(errors)
