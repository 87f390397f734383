"""The protocols of a corpus that judges captions, and of one that judges pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from regard.data.corpora.corpus import ImageCorpus, Record


class Judged(Protocol):
    """A caption or a prompt that was compared with an image. See `regard.data.corpora.shapes.judge.Judgement`."""

    @property
    def exact(self) -> bool:
        """Whether the caption describes the image exactly."""
        ...

    @property
    def correct(self) -> Mapping[str, tuple[int, int]]:
        """By attribute, how often it is correct, and how often it occurs."""
        ...


class Mentioned(Protocol):
    """A word of a caption, and where in the image its object is."""

    @property
    def start(self) -> int:
        """Its first character."""
        ...

    @property
    def end(self) -> int:
        """The end of its characters."""
        ...

    @property
    def kind(self) -> str:
        """What it says about its object, such as "colour"."""
        ...

    @property
    def mask(self) -> npt.NDArray[np.bool_]:
        """The pixels of its object, "height width"."""
        ...


@runtime_checkable
class JudgedCorpus(ImageCorpus, Protocol):
    """A corpus of images whose content is known."""

    def judge(self, reference: str, caption: str) -> Judged:
        """Compare a caption with the content of an image."""
        ...

    def mentions(self, reference: str, caption: str) -> Sequence[Mentioned]:
        """Return the words of a caption that name an object correctly."""
        ...

    def held_out(self) -> Mapping[str, Iterator[Record]]:
        """Return further test parts by name, whose images are combinations that do not occur in training."""
        ...


@runtime_checkable
class JudgedPictures(ImageCorpus, Protocol):
    """A corpus that can tell what any picture of its kind shows, for example a generated one."""

    def judge_picture(self, pixels: npt.NDArray[np.uint8], prompt: str) -> Judged | None:
        """Compare a picture, RGB "height width channel", with its prompt. None: the prompt cannot be judged."""
        ...

    def picture_mentions(self, pixels: npt.NDArray[np.uint8], prompt: str) -> Sequence[Mentioned]:
        """Return the words of a prompt that the picture shows correctly."""
        ...


@runtime_checkable
class WordKinds(Protocol):
    """A corpus that knows what the words of its captions are about."""

    @property
    def word_kinds(self) -> Mapping[str, str]:
        """The kind of each word, such as "colour" for "red"; kinds are displayed in this order."""
        ...
