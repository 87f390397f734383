"""Preparing the images of a corpus: each shard's images are read, resized and stored, in several processes.

If training decodes the original images, they are read too, but only their references are stored. An image that cannot
be read is left out, with its records, and listed in ``unreadable.tsv``.
"""

from __future__ import annotations

import json
import pickle
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypedDict

from regard.data.corpora.corpus import IMAGE, ImageCorpus
from regard.data.images.originals import ReferenceWriter
from regard.data.images.store import ImageWriter
from regard.data.prepare.shards import read_json_lines
from regard.data.prepare.workers import run_as_worker, run_workers
from regard.errors import RegardError, user_message
from regard.files import replacing

ALONE = 2000
"""Number of records up to which images are prepared in this process, which is faster than starting others."""


class ImageSettings(NamedTuple):
    """How the images of a corpus are prepared.

    size: side of the stored square images, in pixels; None to store only references to the original images
    max_unreadable: largest share of images that cannot be read
    """

    size: int | None
    max_unreadable: float


class ImageReport(TypedDict):
    """Number of images of a shard that can be read, of those that cannot be read, and of records that are left out."""

    images: int
    unreadable: int
    dropped: int


def images_folder(text: Path) -> Path:
    """Return the folder for the images of a shard: ``image.*``, ``kept.jsonl``, ``unreadable.tsv``."""
    return text.with_suffix(".images")


def read_image_report(text: Path) -> ImageReport:
    """Read the report on the images of a shard."""
    report: ImageReport = json.loads((images_folder(text) / "report.json").read_text(encoding="utf-8"))
    return report


def unreadable_images(text: Path) -> Iterator[tuple[str, str]]:
    """Yield the images of a shard that cannot be read, each with the reason."""
    for line in (images_folder(text) / "unreadable.tsv").read_text(encoding="utf-8").splitlines():
        reference, _, reason = line.partition("\t")
        yield reference, reason


def store_images(text: Path, corpus: ImageCorpus, size: int | None) -> None:
    """Store the images of a shard in ``images_folder(text)``, as squares of ``size`` pixels or as references.

    All images are read in both cases, so that those that cannot be read are found.

    A temporary folder is renamed when complete, so that readers never see a part of it.
    """
    report: ImageReport = {"images": 0, "unreadable": 0, "dropped": 0}
    with tempfile.TemporaryDirectory(dir=text.parent, prefix=".images-") as temporary:
        half = Path(temporary) / "images"
        half.mkdir()
        with (
            ReferenceWriter(half / IMAGE) if size is None else ImageWriter(half / IMAGE, size) as writer,
            (half / "kept.jsonl").open("w", encoding="utf-8", newline="\n") as kept,
            (half / "unreadable.tsv").open("w", encoding="utf-8", newline="\n") as unreadable,
        ):
            last, is_stored = None, False
            for line in read_json_lines(text):
                reference = json.loads(line)[0]
                if reference != last:
                    last = reference
                    try:
                        writer.append(reference, corpus.read_image(reference))
                        is_stored = True
                    except RegardError as error:
                        is_stored = False
                        report["unreadable"] += 1
                        unreadable.write(f"{reference}\t{user_message(error)}\n")
                if is_stored:
                    writer.add_record()
                    kept.write(line)
                else:
                    report["dropped"] += 1
            report["images"] = writer.images
        (half / "report.json").write_text(json.dumps(report), encoding="utf-8")
        # A worker that outlived its parent may have been faster: it wrote the same content.
        if not images_folder(text).exists():
            half.replace(images_folder(text))


def store_shards(texts: Sequence[Path], corpus: ImageCorpus, size: int | None, workers: int) -> Iterator[Path]:
    """Store the images of shards in up to ``workers`` concurrent processes. Yield each shard when it is done, in order.

    Then the text of the shard has only the records whose image is stored.

    Raises:
        OSError: for example, the disk is full.
        WorkerFailed: a process was killed or failed.
    """
    done: Iterator[None]
    missing = [text for text in texts if not images_folder(text).is_dir()]
    if workers == 1 or sum(1 for text in missing for _ in read_json_lines(text)) <= ALONE:
        done = map(partial(store_images, corpus=corpus, size=size), missing)
    else:
        pickled = texts[0].with_name("corpus.pickle")
        with replacing(pickled) as temporary:
            temporary.write_bytes(pickle.dumps(corpus))
        done = run_workers(__name__, [[str(text), str(pickled), str(size or "")] for text in missing], workers)
    for text in texts:
        if text in missing:
            next(done)
        if read_image_report(text)["dropped"]:
            with replacing(text) as temporary:
                shutil.copy(images_folder(text) / "kept.jsonl", temporary)
        yield text


def main(text: str, corpus: str, size: str) -> None:
    """Store the images of one shard. ``corpus`` is a file with the pickled corpus, which this program wrote."""
    store_images(Path(text), pickle.loads(Path(corpus).read_bytes()), int(size) if size else None)


if __name__ == "__main__":
    run_as_worker(main, sys.argv[1:])
