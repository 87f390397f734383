"""Type and range of the arguments of data modules, corpora, filters and tokenizers. See `regard.config.ranges`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from regard.config.kinds import NAME, NULL, OBJECT, TEXT, TRUTH, Kind, choice, integer, number, sequence
from regard.data.corpora.reading.rows import Format
from regard.data.corpora.synthetic.symbols import MOST_SYMBOLS
from regard.data.corpora.text_files import Document
from regard.data.tokenizer.tokenizer import KINDS, NORMALIZATIONS

SEED = integer(0, 2**32 - 1)
"""Seeds that every random number generator accepts."""
SHARE = number(above=0, below=1)
FILES = TEXT | sequence(TEXT)

_SPLIT_FILES = {"train": FILES, "validation": FILES | SHARE, "test": FILES | SHARE | NULL}
_BATCHES = {
    "cache": TEXT,
    "seed": SEED,
    "workers": integer(0),
    "preparation_workers": integer(1) | NULL,
}
_IMAGES = {
    **_BATCHES,
    **dict.fromkeys(["images_per_batch", "evaluation_images_per_batch", "max_length", "image_size"], integer(1)),
    "store_images": TRUTH,
    "augmentation": OBJECT | NULL,
    "max_unreadable": number(0, 1),
}
_DATASET = {
    "path": TEXT,
    "name": TEXT | NULL,
    "revision": TEXT | NULL,
    "train": TEXT,
    "validation": TEXT | SHARE,
    "test": TEXT | SHARE | NULL,
}
_SYNTHETIC = {
    "length": integer(1),
    "vocab_size": integer(3, MOST_SYMBOLS),
    "size": integer(1) | NULL,
    "seed": integer(0),
    **dict.fromkeys(["validation_size", "test_size"], integer(1)),
}
_TOKENS_PER_BATCH = dict.fromkeys(["tokens_per_batch", "evaluation_tokens_per_batch"], integer(1))

DATA: Mapping[str, Mapping[str, Kind]] = {
    "regard.data.translation.TranslationData": {
        **_BATCHES,
        **_TOKENS_PER_BATCH,
        "max_length": integer(1),
        "sampling_alpha": number(above=0, most=1) | NULL,
    },
    "regard.data.captioning.CaptioningData": _IMAGES,
    "regard.data.text_to_image.TextToImageData": _IMAGES,
    "regard.data.images.augment.Augmentation": {
        "crop": number(above=0, most=1),
        **dict.fromkeys(["flip", "colour"], number(0, 1)),
    },
    "regard.data.language.LanguageData": {
        **_BATCHES,
        **_TOKENS_PER_BATCH,
        "block_length": integer(1),
        "stride": integer(1) | NULL,
        "isolate_documents": TRUTH,
    },
    "regard.data.answers.AnswerData": {
        **_BATCHES,
        **dict.fromkeys(["examples_per_batch", "evaluation_examples_per_batch", "max_length"], integer(1)),
    },
    "regard.data.corpora.filters.Length": dict.fromkeys(
        ["min_words", "max_words", "min_characters", "max_characters"], integer(0) | NULL
    ),
    "regard.data.corpora.filters.LengthRatio": {"largest": number(1)},
    "regard.data.corpora.phrases.phrases.Phrases": {
        "source": TEXT,
        "target": TEXT,
        "seed": integer(0),
        **dict.fromkeys(["size", "validation_size", "test_size"], integer(1)),
    },
    "regard.data.corpora.shapes.shapes.Shapes": {
        "seed": integer(0),
        "pixels": integer(16, 512),
        "most_groups": integer(1, 3),
        "most_objects": integer(1, 4),
        "side": number(24, 48),
        **dict.fromkeys(["size", "validation_size", "test_size", "held_out_size"], integer(1)),
    },
    "regard.data.corpora.synthetic.induction.InductionHead": _SYNTHETIC,
    "regard.data.corpora.synthetic.recall.AssociativeRecall": _SYNTHETIC,
    "regard.data.corpora.synthetic.mqar.MultiQueryRecall": {
        **_SYNTHETIC,
        "num_pairs": integer(1),
        "power": number(0),
    },
    "regard.data.corpora.captions.files.Captions": {
        **_SPLIT_FILES,
        "columns": sequence(NAME, 2),
        "images": TEXT | NULL,
    },
    "regard.data.corpora.multi30k.Multi30k": {"source": TEXT, "target": TEXT, "folder": TEXT},
    "regard.data.corpora.tinyshakespeare.TinyShakespeare": {"folder": TEXT},
    "regard.data.corpora.parallel.ParallelFiles": {
        "source": TEXT,
        "target": TEXT,
        "format": choice(["tsv"]) | NULL,
        **_SPLIT_FILES,
    },
    "regard.data.corpora.tables.Tables": {
        "columns": NAME | sequence(NAME),
        "format": choice(get_args(Format)) | NULL,
        **_SPLIT_FILES,
    },
    "regard.data.corpora.text_files.TextFiles": {
        "document": choice(get_args(Document)),
        "field": TEXT,
        "format": choice(["text", "jsonl"]) | NULL,
        **_SPLIT_FILES,
    },
    "regard.data.corpora.huggingface.HuggingFace": {
        **_DATASET,
        "columns": NAME | sequence(NAME),
        "streaming": TRUTH,
    },
    "regard.data.corpora.captions.huggingface.HuggingFaceCaptions": {**_DATASET, "columns": sequence(NAME, 2)},
    "regard.data.tokenizer.tokenizer.TokenizerSettings": {
        "kind": choice(KINDS),
        "model": TEXT | NULL,
        "vocab_size": integer(1) | NULL,
        "normalization": choice(NORMALIZATIONS),
        "character_coverage": number(above=0, most=1),
        "input_sentence_size": integer(1),
        **dict.fromkeys(["joint", "newlines", "split_digits", "byte_fallback"], TRUTH),
        **dict.fromkeys(["add_dummy_prefix", "remove_extra_whitespaces"], TRUTH),
    },
}
"""Arguments of the classes of ``regard.data`` by ``_target_``."""
