"""The format of CTranslate2."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from regard.analysis.aligner import stored_ranking
from regard.errors import RegardError
from regard.exchange.model import describe_model
from regard.exchange.text_model import text_model
from regard.exchange.uniform import uniform_stack
from regard.exchange.unsupported import Unsupported
from regard.exchange.vocabulary import write_tokenizers
from regard.observe.measure.alignment import Aligner
from regard.runs.folder import RunFolder
from regard.training.checkpoint import LoadedModel


class CTranslate2:
    """A folder that `ctranslate2.Translator` or `ctranslate2.Generator` loads, with the SentencePiece models.

    Alignments of a translator come from the head that `regard align` has ranked best. See `Format`.
    """

    output: ClassVar[str] = "ctranslate2"
    is_folder: ClassVar[bool] = True
    weights: ClassVar[tuple[str, ...]] = ("float32", "float16", "int8")
    packages: ClassVar[tuple[str, ...]] = ("ctranslate2",)

    def check(self, model: LoadedModel) -> None:
        """See `Format`."""
        described = describe_model(text_model(model))
        stacks = [uniform_stack(described["decoder"], "model")]
        if described["encoder"] is not None:
            stacks.append(uniform_stack(described["encoder"], "model.encoder"))
        if len({stack.eps for stack in stacks}) > 1:
            raise Unsupported("model.residual.norm", "norms that differ in eps", "one eps")

    def write(self, model: LoadedModel, run: Path, output: Path, weights: str) -> Mapping[str, object]:
        """See `Format`."""
        from regard.exchange.ctranslate2.specs import language_model_spec, save, translator_spec

        transformer = text_model(model)
        facts: dict[str, object]
        if transformer.encoder is None:
            spec = language_model_spec(transformer, model.tokenizers)
            facts = {"class": "ctranslate2.Generator"}
        else:
            aligner = _best_aligner(run)
            spec = translator_spec(transformer, model.tokenizers, aligner)
            default = "the mean of the last layer; regard align ranks heads"
            facts = {"class": "ctranslate2.Translator", "alignments": str(aligner or default)}
        save(spec, output, weights)
        write_tokenizers(model.tokenizers, output)
        return facts


def _best_aligner(run: Path) -> Aligner | None:
    """Return the best aligner of the stored ranking that reads the row in which a token is the output."""
    try:
        ranking = stored_ranking(RunFolder.open(run)) if run.is_dir() else None
    except RegardError:  # a folder that is not a run
        return None
    return next((each for each in ranking.error_rates if each.moment == "written"), None) if ranking else None
