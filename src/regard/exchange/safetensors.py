"""The folder of a model in safetensors and JSON, which regard itself reads again."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from regard.training.checkpoint import LoadedModel, describe_model
from regard.training.model_folder import PREFIX, WEIGHTS, write_model_folder


class Safetensors:
    """See `regard.training.model_folder`. It represents any model. See `regard.exchange.formats.Format`."""

    output: ClassVar[str] = "safetensors"
    is_folder: ClassVar[bool] = True
    weights: ClassVar[tuple[str, ...]] = ("float32",)
    packages: ClassVar[tuple[str, ...]] = ("safetensors",)

    def check(self, model: LoadedModel) -> None:
        """See `Format`."""

    def write(self, model: LoadedModel, run: Path, output: Path, weights: str) -> dict[str, object]:
        """See `Format`."""
        write_model_folder(output, checkpoint_content(model))
        return {"weights": f"{(output / WEIGHTS).stat().st_size:,} bytes"}


def checkpoint_content(model: LoadedModel) -> dict[str, object]:
    """Return what a checkpoint would contain to use a model."""
    about = describe_model(model.task, type(model.generator), model.config, model.tokenizer_config, model.tokenizers)
    state = {PREFIX + name: weight for name, weight in model.model.state_dict().items()}
    return {"state_dict": state, "global_step": model.step, **about}
