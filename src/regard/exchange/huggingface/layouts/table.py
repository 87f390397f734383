"""The choice of a layout."""

from __future__ import annotations

from regard.exchange.huggingface.layouts.gpt2 import GPT2
from regard.exchange.huggingface.layouts.layout import Layout
from regard.exchange.huggingface.layouts.llama import Llama
from regard.exchange.huggingface.layouts.marian import Marian, Pegasus
from regard.exchange.huggingface.layouts.starcoder2 import Starcoder2
from regard.exchange.layers import Plain

LAYOUTS: dict[str, type[Layout]] = {layout.model_type: layout for layout in (Llama, Starcoder2, GPT2, Marian, Pegasus)}
"""By their names in config.json."""


def choose_layout(plan: Plain) -> Layout:
    """Return the layout that has most in common with a described model. It may still refuse it."""
    layers = plan["decoder"]["layers"]
    if plan["encoder"] is not None:
        return Marian() if layers and layers[0]["residual"] == "post_norm" else Pegasus()
    if plan["decoder"]["embedding"]["positions"] == "learned":
        return GPT2()
    if layers and (layers[0]["feed_forward"] == "swiglu" or layers[0]["norm"]["kind"] == "rms_norm"):
        return Llama()
    return Starcoder2()
