"""Type and range of every key that conf/ documents, in one place.

The arguments of a class are found by its ``_target_``, anywhere in the configuration. A class of the user is checked
by its signature only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from regard.config.kinds import NAME, NULL, OBJECT, OF_REGARD, TEXT, TRUTH, Kind, choice, integer, number, sequence
from regard.data.corpora.reading.rows import Format
from regard.data.corpora.text_files import Document
from regard.data.tokenizer.tokenizer import KINDS, NORMALIZATIONS
from regard.observe.measure.heads import MEASURES
from regard.observe.wandb.login import MODES

SEED = integer(0, 2**32 - 1)
"""Seeds that every random number generator accepts."""
SHARE = number(above=0, below=1)
FILES = TEXT | sequence(TEXT)
MODE = choice(["min", "max"])
PRECISIONS = ["auto", "32-true", "bf16-mixed", "16-mixed", "bf16-true", "16-true", "64-true"]
BLEU_TOKENIZERS = ["13a", "intl", "zh", "char", "none", "ja-mecab", "ko-mecab", "spm", "flores101", "flores200"]
"""Tokenizers of sacreBLEU."""

SECTIONS: Mapping[str, Mapping[str, Kind]] = {
    "": {
        "name": NAME,
        "seed": SEED,
        "init_from": TEXT | NULL,
        **dict.fromkeys(["data", "tokenizer", "model", "optimizer", "schedule"], OBJECT),
        **dict.fromkeys(["trainer", "logger", "task", "batches", "launcher"], OBJECT),
    },
    "paths": {"data": TEXT, "cache": TEXT, "runs": TEXT},
}
"""Required keys of the sections that are not the arguments of a class."""

OTHER_KEYS = {"": ("paths", "callbacks", "search", "tuned_steps")}
"""Further known keys of these sections, which are neither a value nor the arguments of a class."""

REQUIRED = {
    "": ("paths", "callbacks"),
    "trainer": (
        *("accelerator", "devices", "num_nodes", "strategy", "precision", "max_steps", "accumulate_grad_batches"),
        *("gradient_clip_val", "log_every_n_steps", "val_check_interval"),
    ),
    "batches": ("workers",),
}
"""Keys that regard itself reads. They are required even if the class has a default."""

_SPLIT_FILES = {"train": FILES, "validation": FILES | SHARE, "test": FILES | SHARE | NULL}
_BATCHES = {
    "cache": TEXT,
    "seed": SEED,
    "workers": integer(0),
    "preparation_workers": integer(1) | NULL,
}
_DATASET = {
    "path": TEXT,
    "name": TEXT | NULL,
    "revision": TEXT | NULL,
    "train": TEXT,
    "validation": TEXT | SHARE,
    "test": TEXT | SHARE | NULL,
}
_TOKENS_PER_BATCH = dict.fromkeys(["tokens_per_batch", "evaluation_tokens_per_batch"], integer(1))
_DECODING_SCORER = {
    "beam_size": integer(1),
    "validation_beam_size": integer(1),
    "length_penalty": number(),
    "bleu_tokenizer": choice(BLEU_TOKENIZERS),
}
_SCHEDULE = {"warmup_steps": integer(0), "total_steps": integer(1), "final": number(0, 1)}

ARGUMENTS: Mapping[str, Mapping[str, Kind]] = {
    "pytorch_lightning.Trainer": {
        "accelerator": choice(["cpu", "gpu", "cuda", "mps", "tpu", "auto"]),
        "devices": integer(1),
        "num_nodes": integer(1),
        "strategy": TEXT | OBJECT,
        "precision": choice(PRECISIONS),
        "max_steps": integer(1),
        "accumulate_grad_batches": integer(1),
        "gradient_clip_val": number(0) | NULL,
        "log_every_n_steps": integer(1),
        "val_check_interval": integer(1),
        "limit_train_batches": integer(1) | NULL,
        "limit_val_batches": integer(0) | number(0, 1) | NULL,
        "limit_test_batches": integer(0) | number(0, 1) | NULL,
        "benchmark": TRUTH | NULL,
        "deterministic": TRUTH | choice(["warn"]) | NULL,
        "profiler": choice(["simple", "advanced", "pytorch"]) | OBJECT | NULL,
        **dict.fromkeys(["max_epochs", "check_val_every_n_epoch", "num_sanity_val_steps"], OF_REGARD),
        **dict.fromkeys(["logger", "callbacks", "plugins", "default_root_dir", "use_distributed_sampler"], OF_REGARD),
        **dict.fromkeys(["enable_progress_bar", "enable_model_summary"], OF_REGARD),
    },
    "pytorch_lightning.strategies.ModelParallelStrategy": {"save_distributed_checkpoint": TRUTH},
    "pytorch_lightning.callbacks.EarlyStopping": {"monitor": TEXT, "mode": MODE, "patience": integer(0)},
    "torch.optim.": {
        "lr": number(0),
        "betas": sequence(number(0, below=1), 2),
        "eps": number(0),
        "weight_decay": number(0),
        "momentum": number(0),
        "fused": TRUTH | NULL,
    },
    "regard.training.schedule.": _SCHEDULE,
    "regard.training.callbacks.checkpoints.BestCheckpoint": {"monitor": TEXT, "mode": MODE},
    "regard.training.callbacks.checkpoints.Snapshots": {"count": integer(0)},
    "regard.training.callbacks.last_checkpoint.LastCheckpoint": {
        "every_n_steps": integer(1),
        "every_minutes": number(above=0) | NULL,
    },
    "regard.training.callbacks.moving_average.MovingAverage": {"decay": number(0, below=1)},
    "regard.training.task.Task": {
        "name": TEXT,
        "label_smoothing": number(0, 1),
        "compile": TRUTH,
        "activation_checkpointing": TRUTH,
        **dict.fromkeys(["generator", "scorer"], OBJECT),
        **dict.fromkeys(["optimizer", "schedule"], OF_REGARD),
    },
    "regard.training.scorers.translation.TranslationScorer": _DECODING_SCORER,
    "regard.training.scorers.captioning.CaptioningScorer": _DECODING_SCORER,
    "regard.training.scorers.language.LanguageScorer": {
        "samples": integer(0),
        "prompt_tokens": integer(0),
        "new_tokens": integer(0),
        "temperature": number(0),
    },
    "regard.observe.callbacks.attention.AttentionProbe": {
        "texts": sequence(TEXT),
        "sentences": integer(0),
        "extremes": integer(0),
        "longest": integer(1),
        "measures": sequence(choice(MEASURES)),
        "megabytes": integer(0),
        "page_megabytes": integer(0),
        "images": integer(0),
        "dashboard_megabytes": number(0),
    },
    "regard.observe.callbacks.samples.Samples": {"count": integer(0)},
    "regard.observe.wandb.dashboard.make_wandb_logger": {
        "mode": choice(["auto", *MODES]),
        "project": TEXT,
        "entity": TEXT | NULL,
        "init_timeout_seconds": number(above=0),
    },
    "regard.model.transformer.Transformer": {
        "vocab_size": integer(1) | NULL,
        "source_vocab_size": integer(1) | NULL,
        **dict.fromkeys(["dim", "depth", "num_heads", "ffn_dim", "max_length"], integer(1)),
        "dropout": number(0, below=1),
        "encoder": OBJECT | NULL,
    },
    "regard.model.encoder.TextEncoder": {"depth": integer(1)},
    "regard.model.image_encoder.PatchEncoder": {
        **dict.fromkeys(["depth", "image_size", "patch_size"], integer(1)),
        "stem_channels": sequence(integer(1)),
    },
    "regard.model.torchvision_encoder.TorchvisionEncoder": {
        "name": TEXT,
        "weights": TEXT | NULL,
        "freeze": TRUTH,
        "image_size": integer(1) | NULL,
        "depth": integer(0),
    },
    "regard.model.mixer.SelfAttention": {"num_kv_heads": integer(1) | NULL, "bias": TRUTH, "rotation": OBJECT},
    "regard.model.positions.Rotary": {"base": number(above=0)},
    "regard.model.feed_forward.": {"bias": TRUTH},
    "regard.data.translation.TranslationData": {
        **_BATCHES,
        **_TOKENS_PER_BATCH,
        "max_length": integer(1),
        "sampling_alpha": number(above=0, most=1) | NULL,
    },
    "regard.data.captioning.CaptioningData": {
        **_BATCHES,
        **dict.fromkeys(["images_per_batch", "evaluation_images_per_batch", "max_length", "image_size"], integer(1)),
        "store_images": TRUTH,
        "augmentation": OBJECT | NULL,
        "max_unreadable": number(0, 1),
    },
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
        "pixels": integer(32, 512),
        **dict.fromkeys(["size", "validation_size", "test_size", "held_out_size"], integer(1)),
    },
    "regard.data.corpora.captions.Captions": {
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
    "regard.data.corpora.huggingface_captions.HuggingFaceCaptions": {**_DATASET, "columns": sequence(NAME, 2)},
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
    "regard.search.space.Search": {
        "metric": TEXT,
        "direction": choice(["minimize", "maximize"]),
        "trials": integer(1),
        "workers": integer(1),
        "sampler": OBJECT,
        "pruner": OBJECT,
    },
    "optuna.": {"seed": SEED | NULL, "n_startup_trials": integer(0), "n_warmup_steps": integer(0)},
    "hydra_plugins.regard_launchers.local.Local": {"jobs": integer(1)},
    "hydra_plugins.regard_launchers.slurm.Slurm": {
        **dict.fromkeys(["partition", "account", "qos", "constraint", "gpu_type"], NAME | NULL),
        **dict.fromkeys(["time_minutes", "cpus_per_task", "memory_gb", "array_parallelism"], integer(1) | NULL),
        "leave_seconds": integer(0),
        "options": sequence(TEXT),
        "setup": sequence(TEXT),
        "python": TEXT | NULL,
    },
}
"""Arguments of classes by ``_target_``. A name that ends in a dot is for all classes of the module."""


def arguments_of(target: object) -> Mapping[str, Kind]:
    """Return the documented arguments of ``target``; empty for a class of the user."""
    name = str(target)
    while name and name not in ARGUMENTS:
        name = name.rstrip(".").rpartition(".")[0]
        name = f"{name}." if name else ""
    return ARGUMENTS.get(name, {})
