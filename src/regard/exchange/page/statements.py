"""What a page states about its model, in words."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path

from regard.exchange.layers import Plain
from regard.exchange.page.deviation import Deviation
from regard.exchange.page.drawing import PixelDeviation
from regard.exchange.page.weights import WeightFormat
from regard.inference.drawing.text_to_image import TextToImage
from regard.inference.generator import Generator, TextGenerator

EXAMPLE_CHARACTERS = 80


def title_of(generator: Generator) -> str:
    """Return the title of the page: what the model is."""
    noun = generator.noun.removeprefix("a ").removeprefix("an ")
    return noun[0].upper() + noun[1:]


def describe_format(matrices: WeightFormat) -> str:
    """Return a sentence on the format of the weights."""
    return f"Matrices are stored as {matrices}{' with a scale per row' if matrices == 'int8' else ''}."


def describe_deviation(found: Deviation, matrices: WeightFormat) -> str:
    """Return sentences on what the format of the weights changes in logits."""
    return (
        f"{describe_format(matrices)} This changes the logits by at most {found.largest:.2g}, on average by "
        f"{found.mean:.2g}, and keeps {found.same:.1%} of the most likely next tokens, compared with float32 in "
        f"PyTorch on {found.positions} positions of {found.examples} random inputs."
    )


def describe_pixel_deviation(found: PixelDeviation, matrices: WeightFormat) -> str:
    """Return sentences on what the format of the weights changes in predicted images."""
    return (
        f"{describe_format(matrices)} This changes a predicted image by at most {found.largest:.2g} and on average by "
        f"{found.mean:.2g} steps of 1/255, compared with float32 in PyTorch on {found.images} predictions from noise."
    )


def describe_size(generator: TextGenerator | TextToImage, description: Plain) -> dict[str, str]:
    """Return the sizes of a model by label, from its description."""
    parameters = sum(parameter.numel() for parameter in generator.model.parameters())
    stacks = {name: description[name] for name in ("encoder", "decoder") if description[name]}
    layers = ", ".join(f"{len(stack['layers'])} in the {name}" for name, stack in stacks.items())
    tokenizer = generator.tokenizer if isinstance(generator, TextToImage) else generator.target_tokenizer
    images = {f"{stack['image_size']} pixels" for stack in stacks.values() if "image_size" in stack}
    facts = {
        "parameters": f"{parameters / 1e6:.1f} million" if parameters >= 1e5 else f"{parameters:,}",
        "layers": layers if len(stacks) > 1 else str(len(description["decoder"]["layers"])),
        "dimension": str(description["dim"]),
        "vocabulary": f"{tokenizer.vocab_size:,}",
        "longest text": f"{description['max_length']:,} tokens",
    }
    return facts | ({"side of an image": images.pop()} if images else {})


def example_input(run: Path) -> str:
    """Return an input of the samples of a run folder; an empty text without samples, as for a checkpoint.

    It is the longest one of at most EXAMPLE_CHARACTERS.
    """
    samples = run / "samples.jsonl"
    try:
        inputs = [str(json.loads(line)["source"]) for line in samples.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return max((text for text in inputs if len(text) <= EXAMPLE_CHARACTERS), key=len, default="")


def example_image(run: Path) -> str:
    """Return the address of the example image that training wrote to a run folder; an empty text without one."""
    try:
        content = (run / "example.png").read_bytes()
    except OSError:
        return ""
    return f"data:image/png;base64,{b64encode(content).decode('ascii')}"
