"""The format of ONNX."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from regard.data.tokenizer.specials import BOS, EOS, PAD, UNK
from regard.exchange.model import describe_model
from regard.exchange.text_model import text_model
from regard.exchange.unsupported import Unsupported
from regard.exchange.vocabulary import write_tokenizers
from regard.training.checkpoint import LoadedModel


class Onnx:
    """A folder with the graphs of a model, described in `regard.exchange.onnx.graphs`. See `Format`.

    ``model.onnx`` computes whole sequences, with all attention weights as further outputs; ``step.onnx`` computes the
    next tokens with a cache; ``encoder.onnx`` computes what that reads of a source. They share ``weights.data``.
    ``config.json`` has special tokens and sizes.
    """

    output: ClassVar[str] = "onnx"
    is_folder: ClassVar[bool] = True
    weights: ClassVar[tuple[str, ...]] = ("float32",)
    packages: ClassVar[tuple[str, ...]] = ("onnx",)

    def check(self, model: LoadedModel) -> None:
        """See `Format`."""
        described = describe_model(text_model(model))
        for side in ("encoder", "decoder"):
            for layer in (described[side] or {"layers": []})["layers"]:
                if layer["mixer"]["kind"] != "attention":
                    raise Unsupported("model.mixer", layer["mixer"]["kind"], "attention in all layers")
        if not described["decoder"]["layers"]:
            raise Unsupported("model.depth", "0", "at least one layer")

    def write(self, model: LoadedModel, run: Path, output: Path, weights: str) -> Mapping[str, object]:
        """See `Format`."""
        from regard.exchange.onnx.graph import Graph, WeightFile
        from regard.exchange.onnx.graphs import build_encoder, build_step, build_whole, cache_shape, decoder_side

        transformer = text_model(model)
        graphs = {"model.onnx": build_whole, "step.onnx": build_step}
        if transformer.encoder is not None:
            graphs["encoder.onnx"] = build_encoder
        shared = WeightFile(output / "weights.data", transformer)
        for name, build in graphs.items():
            build(graph := Graph(shared), transformer)
            graph.save(output / name)
        side = decoder_side(transformer)
        layers = range(len(side.described["layers"]))
        config = {
            "pad_id": PAD, "bos_id": BOS, "eos_id": EOS, "unk_id": UNK,
            "max_length": transformer.max_length,
            "caches": [dict(zip(("groups", "head_dim"), cache_shape(side, layer), strict=True)) for layer in layers],
        }  # fmt: skip
        (output / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
        write_tokenizers(model.tokenizers, output)
        return {"graphs": ", ".join(graphs)}
