"""The layouts by their names in config.json."""

from __future__ import annotations

from regard.exchange.huggingface.gpt2 import GPT2
from regard.exchange.huggingface.layout import Layout
from regard.exchange.huggingface.llama import Llama
from regard.exchange.huggingface.starcoder2 import Starcoder2

LAYOUTS: dict[str, type[Layout]] = {layout.model_type: layout for layout in (Llama, Starcoder2, GPT2)}
