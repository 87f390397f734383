"""Draw prompts with one model, caption the images with another, and count how often the caption means the prompt.

    regard train task=text_to_image name=painter
    regard train task=captioning name=captioner model.encoder.image_size=24 model.encoder.patch_size=4 \
        data.side=24 data.most_groups=2 data.most_objects=1
    python experiments/round_trip.py runs/painter/RUN runs/captioner/RUN --prompts 500

The prompts are those of the test part of the painter's scenes, and those with unseen colour-shape pairs. The judge by
rule of data=shapes reads the same images. "true scenes" are the images that belong to the prompts: what the captioner
and the judge reach if the painter is perfect.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Hashable, Sequence
from itertools import islice
from pathlib import Path

from regard.data.corpora.shapes.grammar import parse
from regard.data.corpora.shapes.scene import OPPOSITE
from regard.data.corpora.shapes.shapes import Shapes
from regard.data.images.image import Image, Pixels
from regard.errors import UsageError
from regard.inference.captioner import Captioner
from regard.inference.drawing.drawing import Drawing
from regard.inference.drawing.text_to_image import TextToImage, Wanted
from regard.instantiate import build
from regard.runs.folder import RunFolder, find_checkpoint
from regard.training.checkpoint import load_model


def meaning(text: str) -> Hashable:
    """Return the groups and relations of a caption, the same for "A left of B" and "B right of A"; None if it has none.

    Two captions mean the same scene if and only if this is equal and not None.
    """
    parsed = parse(text)
    if parsed is None:
        return None
    (first, *others), relations = parsed
    facts = [
        (other, OPPOSITE[relation], first) if relation in ("right of", "below") else (first, relation, other)
        for relation, other in zip(relations, others, strict=True)
    ]
    return frozenset(facts), frozenset(Counter([first, *others]).items())


def captions(captioner: Captioner, images: Sequence[Pixels]) -> list[str]:
    """Return the caption of each image."""
    examples, _ = captioner.source.encode([Image(pixels) for pixels in images])
    written = dict(captioner.generate(examples, beam_size=4))
    return [captioner.text(written[number]) for number in range(len(images))]


def report(name: str, prompts: Sequence[str], images: Sequence[Pixels], captioner: Captioner, corpus: Shapes) -> None:
    """Print how many images the captioner, the judge, and both find right."""
    matches = [
        meaning(caption) is not None and meaning(caption) == meaning(prompt)
        for prompt, caption in zip(prompts, captions(captioner, images), strict=True)
    ]
    judged = [corpus.judge_picture(image, prompt) for prompt, image in zip(prompts, images, strict=True)]
    right = [each is not None and each.exact for each in judged]
    both = [one and other for one, other in zip(matches, right, strict=True)]
    shares = "  ".join(f"{sum(each) / len(prompts):7.1%}" for each in (matches, right, both))
    print(f"{name:24}{len(prompts):5}  {shares}")


def main() -> None:
    """Draw, caption and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("painter", type=Path, help="run folder of task=text_to_image with data=shapes")
    parser.add_argument("captioner", type=Path, help="run folder of task=captioning on the same scenes")
    parser.add_argument("--prompts", type=int, default=500, help="number of prompts of each part")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--guidance", type=float, default=2.0)
    given = parser.parse_args()
    painter, captioner = (load_model(find_checkpoint(run)).generator for run in (given.painter, given.captioner))
    corpus = build(RunFolder.open(given.painter).config()["data"])
    if not (isinstance(painter, TextToImage) and isinstance(captioner, Captioner) and isinstance(corpus, Shapes)):
        raise UsageError("expected a run of task=text_to_image with data=shapes, and one of task=captioning")
    print(f"{'':29}  caption  judge    both")
    for name, records in {"test": corpus.records("test"), "unseen pairs": corpus.held_out()["pairs"]}.items():
        chosen = list(islice(records, given.prompts))
        prompts = [prompt for _, prompt in chosen]
        wanted = [Wanted(prompt, number) for number, prompt in enumerate(prompts)]
        drawn = list(painter.draw(wanted, Drawing(given.steps, given.guidance)))
        report(name, prompts, drawn, captioner, corpus)
        report(f"{name}, true scenes", prompts, [corpus.read_image(scene) for scene, _ in chosen], captioner, corpus)


if __name__ == "__main__":
    main()
