"""A trained model of sequences with answers."""

from __future__ import annotations

from typing import ClassVar

from regard.data.tokenizer.specials import BOS
from regard.inference.language_model import LanguageModel


class AnswerModel(LanguageModel):
    """A language model that was trained to predict the answers in sequences. Its other predictions mean nothing.

    See `Generator`.
    """

    noun: ClassVar[str] = "a model of answers"

    def encode_prompt(self, text: str) -> tuple[list[int], bool]:
        """Return the token ids of a prompt after ``<s>``, as in training, and whether its beginning was cut off."""
        ids, most = self.target_tokenizer.encode(text), self.model.max_length - 1
        return [BOS, *ids[-most:]], len(ids) > most

    @classmethod
    def try_next(cls, run: str, example: str) -> list[str]:
        """See `Generator`."""
        return [
            f"regard generate {run} --prompt {example} --next 5",
            f"regard attend {run} --target {example}",
        ]
