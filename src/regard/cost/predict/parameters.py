"""The parameters of a model by part."""

from __future__ import annotations

from regard.model.transformer import Transformer

PARTS = {
    "embedding": "embedding",
    "mixer": "mixer",
    "cross": "cross-attention",
    "feed_forward": "feed-forward",
    "norm": "norms",
    "mixer_path": "norms",
    "cross_path": "norms",
    "feed_forward_path": "norms",
}
"""Names of modules of a stack and of its layers, and the names of the parts that they belong to."""


def parameters_by_part(model: Transformer) -> dict[str, int]:
    """Count the parameters of each part: ``embedding``, ``encoder mixer``, ``decoder cross-attention``, ...

    Every parameter is counted once: input, output and, with a joint vocabulary, source embeddings are the same. Other
    modules of an encoder have their own names, such as ``encoder patches``.
    """
    shared = {id(parameter) for parameter in model.decoder.embedding.parameters()}
    counts: dict[str, int] = {}
    for name, parameter in model.named_parameters():
        part = "embedding" if id(parameter) in shared else part_of(name)
        counts[part] = counts.get(part, 0) + parameter.numel()
    return counts


def part_of(name: str) -> str:
    """Return the part that the parameter ``name`` belongs to: ``decoder.layers.0.cross.query.weight`` to the
    ``decoder cross-attention``."""
    stack, *rest = name.split(".")
    module = rest[2] if rest[0] == "layers" else rest[0]
    return f"{stack} {PARTS.get(module, module)}"
