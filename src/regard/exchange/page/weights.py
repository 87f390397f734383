"""The weights of a model in one block of bytes."""

from __future__ import annotations

from copy import deepcopy
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from regard.exchange.layers import Plain

WeightFormat = Literal["float32", "float16", "int8"]
"""Of matrices. Vectors are in float32."""

ALIGNMENT = 4
"""Each tensor begins at a multiple of so many bytes, as typed arrays of JavaScript require."""

LARGEST_INT8 = 127


class Packed(NamedTuple):
    """Weights in one block of bytes, little-endian.

    tensors: by name, the shape, the format and the offset in the block, in bytes. A matrix in int8 has a scale per row,
        in float32, before its rows.
    """

    tensors: dict[str, Plain]
    block: bytes


def pack_weights(model: nn.Module, matrices: WeightFormat) -> Packed:
    """Pack the parameters of a model, with its ``matrices`` (of linear layers and embeddings) in a format.

    A parameter under several names is packed once, under the last of them.
    """
    names = {id(parameter): name for name, parameter in model.named_parameters(remove_duplicate=False)}
    is_matrix = {id(parameter) for parameter in matrices_of(model)}
    tensors: dict[str, Plain] = {}
    parts: list[bytes] = []
    offset = 0
    for parameter in model.parameters():
        kind: WeightFormat = matrices if id(parameter) in is_matrix else "float32"
        values = parameter.detach().float().cpu().numpy()
        content = pack(values, kind)
        tensors[names[id(parameter)]] = {"shape": list(values.shape), "format": kind, "offset": offset}
        parts.append(content + bytes(-len(content) % ALIGNMENT))
        offset += len(parts[-1])
    return Packed(tensors, b"".join(parts))


def as_stored(model: nn.Module, matrices: WeightFormat) -> nn.Module:
    """Return a copy of a model with the numbers that a page reads from its packed weights."""
    copied = deepcopy(model)
    for parameter in matrices_of(copied):
        values = parameter.detach().float().cpu().numpy()
        parameter.data = torch.from_numpy(unpack(pack(values, matrices), values.shape, matrices))
    return copied


def matrices_of(model: nn.Module) -> list[torch.Tensor]:
    """Return the parameters that are stored in the format for matrices."""
    return [layer.weight for layer in model.modules() if isinstance(layer, nn.Linear | nn.Embedding)]


def unpack(content: bytes, shape: tuple[int, ...], kind: WeightFormat) -> Float[np.ndarray, "*shape"]:
    """Return the numbers that `pack` was given, as they are stored, in float32."""
    if kind != "int8":
        return np.frombuffer(content, {"float32": "<f4", "float16": "<f2"}[kind]).reshape(shape).astype(np.float32)
    scales = np.frombuffer(content, "<f4", shape[0])
    return np.frombuffer(content, np.int8, offset=scales.nbytes).reshape(shape) * scales[:, None]


def pack(values: Float[np.ndarray, "*shape"], kind: WeightFormat) -> bytes:
    """Return numbers in a format. int8 needs a matrix."""
    if kind != "int8":
        return np.ascontiguousarray(values, dtype={"float32": "<f4", "float16": "<f2"}[kind]).tobytes()
    scales = np.abs(values).max(axis=1, initial=0).astype("<f4") / LARGEST_INT8
    steps = np.divide(values, scales[:, None], out=np.zeros_like(values), where=scales[:, None] > 0)
    return scales.tobytes() + np.ascontiguousarray(np.rint(steps), dtype=np.int8).tobytes()
