"""Weights that are the same numbers in two libraries, under other names and in another order."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Size, Tensor

Change = Callable[[Tensor], Tensor]


class Transform(NamedTuple):
    """A change of a tensor of regard to the form of another library, and the inverse."""

    there: Change
    back: Change


class Piece(NamedTuple):
    """A tensor of another library: its name, and how it is made from numbers of regard."""

    name: str
    transform: Transform


class Block(NamedTuple):
    """Tensors of regard, joined along their first axis, and those of another library, of equal size, joined likewise.

    ours: names in the state of the model
    theirs: in the order in which their numbers follow one another
    """

    ours: tuple[str, ...]
    theirs: tuple[Piece, ...]


Table = Sequence[tuple[str | tuple[str, ...], *tuple[Piece | str, ...]]]
"""Modules of a layer of regard, or some whose weights are joined, and those of the other library."""


def unchanged() -> Transform:
    """Return the transform that changes nothing."""
    return Transform(lambda x: x, lambda x: x)


def scaled(factor: float) -> Transform:
    """Return the multiplication by ``factor``."""
    return Transform(lambda x: x * factor, lambda x: x / factor)


def transposed() -> Transform:
    """Return the transposition of matrices; vectors are unchanged."""

    def transpose(x: Tensor) -> Tensor:
        return x.mT if x.dim() == 2 else x

    return Transform(transpose, transpose)


def rotated_by_halves(head_dim: int) -> Transform:
    """Return the change of the order of the rows of queries or keys, so that rotary positions rotate the same pairs.

    `regard.model.positions.Rotary` rotates channels 2i and 2i + 1 of a head by the angle of number i, and the other
    library channels i and i + head_dim / 2.
    """
    half = head_dim // 2
    return Transform(
        lambda x: x.unflatten(0, (-1, half, 2)).transpose(1, 2).flatten(0, 2),
        lambda x: x.unflatten(0, (-1, 2, half)).transpose(1, 2).flatten(0, 2),
    )


def same(name: str, ours: str, transform: Transform | None = None) -> Block:
    """Return the block of one tensor in both libraries."""
    return Block((ours,), (Piece(name, transform or unchanged()),))


def modules(names: Iterable[str], ours: str | tuple[str, ...], *theirs: Piece | str) -> Iterator[Block]:
    """Yield the blocks of all weights of linear layers or norms: their weight and, if they have one, their bias.

    ``names`` are those of all tensors of the model of regard. The other names are those of modules.
    """
    joined = (ours,) if isinstance(ours, str) else ours
    pieces = [Piece(each, unchanged()) if isinstance(each, str) else each for each in theirs]
    for suffix in ("weight", "bias"):
        if f"{joined[0]}.{suffix}" in names:
            yield Block(
                tuple(f"{module}.{suffix}" for module in joined),
                tuple(Piece(f"{module}.{suffix}", transform) for module, transform in pieces),
            )


def layers(names: Iterable[str], ours: str, theirs: str, table: Table) -> Iterator[Block]:
    """Yield the blocks of all layers of a stack. ``ours`` and ``theirs`` are the prefixes of the numbers of layers."""
    number = 0
    while any(name.startswith(f"{ours}.{number}.") for name in names):
        for modules_of_ours, *pieces in table:
            group = (modules_of_ours,) if isinstance(modules_of_ours, str) else modules_of_ours
            there = [Piece(each, unchanged()) if isinstance(each, str) else each for each in pieces]
            yield from modules(
                names,
                tuple(f"{ours}.{number}.{module}" for module in group),
                *(Piece(f"{theirs}.{number}.{module}", transform) for module, transform in there),
            )
        number += 1


def to_theirs(blocks: Iterable[Block], weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of the other library by name, from those of regard."""
    theirs: dict[str, Tensor] = {}
    for block in blocks:
        joined = torch.cat([weights[name] for name in block.ours])
        for piece, part in zip(block.theirs, joined.chunk(len(block.theirs)), strict=True):
            theirs[piece.name] = piece.transform.there(part).contiguous()
    return theirs


def to_ours(blocks: Iterable[Block], weights: Mapping[str, Tensor], shapes: Mapping[str, Size]) -> dict[str, Tensor]:
    """Return the tensors of regard by name, from those of the other library. ``shapes`` are those of regard.

    Raises ValueError naming a tensor of the other library that is missing or has another shape.
    """
    ours: dict[str, Tensor] = {}
    for block in blocks:
        sizes = [shapes[name] for name in block.ours]
        rows, row = sum(size[0] for size in sizes), sizes[0][1:]
        expected = Size([rows // len(block.theirs), *row])
        parts = []
        for piece in block.theirs:
            if piece.name not in weights:
                raise ValueError(f"{piece.name} is missing")
            part = weights[piece.name]
            if part.numel() != math.prod(expected) or (restored := piece.transform.back(part)).shape != expected:
                found, needed = list(part.shape), math.prod(expected)
                raise ValueError(f"{piece.name} is {found}, expected {needed} numbers for {list(expected)}")
            parts.append(restored)
        for name, part in zip(block.ours, torch.cat(parts).split([size[0] for size in sizes]), strict=True):
            ours[name] = part.contiguous()
    return ours
