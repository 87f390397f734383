"""The input embeddings of a model."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from regard.data.tokenizer.tokenizer import Tokenizer
from regard.errors import UsageError
from regard.inference.language_model import LanguageModel
from regard.inference.translator import Translator


def input_embeddings(
    model: Translator | LanguageModel, side: str | None
) -> tuple[Float[np.ndarray, "vocab dim"], Tokenizer]:
    """Return the input embeddings of a side and its tokenizer; by default of the source, if there is one.

    Raises UsageError for an unknown side.
    """
    translates = isinstance(model, Translator)
    if side not in (None, "source", "target"):
        raise UsageError(f"--side {side}: expected source or target")
    if side == "source" and not translates:
        raise UsageError("--side source: a language model has no source; omit --side")
    stack: Any = model.model.encoder if translates and side != "target" else model.model.decoder
    if isinstance(model, LanguageModel):
        tokenizer = model.tokenizer
    else:
        tokenizer = model.target_tokenizer if side == "target" else model.source_tokenizer
    return stack.embedding.tokens.weight.detach().float().cpu().numpy(), tokenizer
