"""The input embeddings of a model."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from regard.data.tokenizer.tokenizer import Tokenizer
from regard.errors import UsageError
from regard.inference.generator import Generator


def input_embeddings(generator: Generator, side: str | None) -> tuple[Float[np.ndarray, "vocab dim"], Tokenizer]:
    """Return the input embeddings of a side and its tokenizer; by default of the source, if there is one.

    Raises UsageError for an unknown side.
    """
    tables = generator.embedding_tables()
    if side not in (None, "source", "target"):
        raise UsageError(f"--side {side}: expected source or target")
    if side == "source" and side not in tables:
        raise UsageError(f"--side source: {generator.noun} has no source; omit --side")
    table = tables[side] if side else next(iter(tables.values()))
    embedding: Any = table.embedding
    return embedding.tokens.weight.detach().float().cpu().numpy(), table.tokenizer
