"""Speed and memory of preparing images from PNG files: python tests/data/prepare_images_cost.py [COUNT ...]

For each count, writes that many rendered scenes of 64 by 64 pixels as PNG files with captions.csv to a temporary
folder, prepares them with two worker processes, and prints images per second and the largest resident memory of the
main process and of a worker, in MiB.
"""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
from pathlib import Path

SCRIPT = """
import resource, sys, time
from regard.data.corpora.captions.files import Captions
from regard.data.prepare.images import ImageSettings
from regard.data.prepare.prepare import prepare
from regard.data.tokenizer.tokenizer import TokenizerSettings
from pathlib import Path

folder, cache = sys.argv[1:]
corpus = Captions(folder, 0.01)
said = []
started = time.monotonic()

def say(text):
    said.append((time.monotonic(), text))

settings = TokenizerSettings(kind="byte"), Path(cache)
prepare(corpus, *settings, say, None, 2, lambda *_: None, None, ImageSettings(64, 0.0))
times = {text.split()[0]: at for at, text in said}
own, workers = (resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
print(times["encoding"] - times["preparing"], time.monotonic() - started, own, workers)
"""


def write_images(folder: Path, count: int) -> None:
    import PIL.Image

    from regard.data.corpora.shapes.shapes import Shapes

    corpus = Shapes(size=count, pixels=64)
    with (folder / "captions.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "caption"])
        for number, (reference, caption) in enumerate(corpus.records("train")):
            PIL.Image.fromarray(corpus.read_image(reference)).save(folder / f"{number}.png", compress_level=1)
            rows.writerow([f"{number}.png", caption])


def main(counts: list[int]) -> None:
    for count in counts or [10_000, 100_000]:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / "images"
            folder.mkdir()
            write_images(folder, count)
            done = subprocess.run(
                [sys.executable, "-c", SCRIPT, str(folder), f"{temporary}/cache"],
                capture_output=True,
                text=True,
                check=True,
            )
            images, whole, own, workers = map(float, done.stdout.split())
            print(
                f"{count:,} images: {count / images:,.0f} images/s, with the text {count / whole:,.0f}; "
                f"memory {own:.0f} MiB, of a worker {workers:.0f} MiB",
                flush=True,
            )


if __name__ == "__main__":
    main([int(argument) for argument in sys.argv[1:]])
