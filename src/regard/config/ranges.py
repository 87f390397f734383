"""Type and range of every key that conf/ documents, with `regard.config.data_ranges`.

The arguments of a class are found by its ``_target_``, anywhere in the configuration. A class of the user is checked
by its signature only.
"""

from __future__ import annotations

from collections.abc import Mapping

from regard.config.data_ranges import DATA, SEED
from regard.config.kinds import (
    NAME,
    NULL,
    OBJECT,
    OF_REGARD,
    TEXT,
    TRUTH,
    Kind,
    choice,
    even,
    integer,
    number,
    sequence,
)
from regard.inference.drawing.drawing import SOLVERS
from regard.observe.measure.heads import MEASURES
from regard.observe.wandb.login import MODES

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

TUNED = ("tuned_steps", "tuned_label_smoothing", "tuned_scenes", "tuned_pixel_mean", "tuned_lr")
"""Values that a task and its corpus set for each other; other keys copy them."""

OTHER_KEYS = {"": ("paths", "callbacks", "search", *TUNED)}
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

_DECODING_SCORER = {
    "beam_size": integer(1),
    "validation_beam_size": integer(1),
    "length_penalty": number(),
    "bleu_tokenizer": choice(BLEU_TOKENIZERS),
}
_MODEL = {
    **dict.fromkeys(["vocab_size", "source_vocab_size"], integer(1) | NULL),
    **dict.fromkeys(["dim", "depth", "num_heads", "ffn_dim", "max_length"], integer(1)),
    "dropout": number(0, below=1),
}
_STATE_SPACE = {"state_size": even(2), "max_lr": number(above=0) | NULL}
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
    "regard.training.muon.Muon": {
        **dict.fromkeys(["lr", "adamw_lr", "eps", "weight_decay"], number(0)),
        "momentum": number(0, below=1),
        "iterations": integer(1),
        "betas": sequence(number(0, below=1), 2),
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
        "compile": TRUTH,
        "activation_checkpointing": TRUTH,
        **dict.fromkeys(["objective", "generator", "scorer"], OBJECT),
        **dict.fromkeys(["optimizer", "schedule"], OF_REGARD),
    },
    "regard.training.objectives.next_token.NextToken": {"label_smoothing": number(0, 1)},
    "regard.training.objectives.rectified_flow.RectifiedFlow": {
        "time_mean": number(),
        "time_deviation": number(above=0),
        "prompts_dropped": number(0, 1),
    },
    "regard.training.scorers.translation.TranslationScorer": _DECODING_SCORER,
    "regard.training.scorers.captioning.CaptioningScorer": _DECODING_SCORER,
    "regard.training.scorers.language.LanguageScorer": {
        "samples": integer(0),
        "prompt_tokens": integer(0),
        "new_tokens": integer(0),
        "temperature": number(0),
    },
    "regard.training.scorers.answers.AnswerScorer": {"samples": integer(0)},
    "regard.training.scorers.drawing.DrawingScorer": {
        **dict.fromkeys(["validation_images", "test_images"], integer(0)),
        "steps": integer(1),
        "guidance": number(above=0),
        "solver": choice(SOLVERS),
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
    "regard.observe.callbacks.drawings.DrawingProbe": {
        "texts": sequence(TEXT),
        "prompts": integer(0),
        "page_megabytes": integer(0),
    },
    "regard.observe.callbacks.samples.Samples": {"count": integer(0)},
    "regard.observe.callbacks.contact_sheets.ContactSheets": {"count": integer(0)},
    "regard.observe.wandb.dashboard.make_wandb_logger": {
        "mode": choice(["auto", *MODES]),
        "project": TEXT,
        "entity": TEXT | NULL,
        "init_timeout_seconds": number(above=0),
    },
    "regard.model.transformer.Transformer": {**_MODEL, **dict.fromkeys(["encoder", "output"], OBJECT | NULL)},
    "regard.model.denoiser.denoiser.Denoiser": {
        **_MODEL,
        **dict.fromkeys(["encoder", "encoder_residual"], OBJECT),
        **dict.fromkeys(["image_size", "patch_size"], integer(1)),
        "pixel_mean": number(0, 1),
        "pixel_deviation": number(above=0),
    },
    "regard.model.encoders.text.TextEncoder": {"depth": integer(1)},
    "regard.model.encoders.patches.PatchEncoder": {
        **dict.fromkeys(["depth", "image_size", "patch_size"], integer(1)),
        "stem_channels": sequence(integer(1)),
    },
    "regard.model.encoders.torchvision.TorchvisionEncoder": {
        "name": TEXT,
        "weights": TEXT | NULL,
        "freeze": TRUTH,
        "image_size": integer(1) | NULL,
        "depth": integer(0),
    },
    "regard.model.mixer.SelfAttention": {"num_kv_heads": integer(1) | NULL, "bias": TRUTH, "rotation": OBJECT},
    "regard.model.hybrid.Hybrid": {
        "attention_layers": sequence(integer(0)),
        **dict.fromkeys(["other", "attention", "rotation"], OBJECT),
    },
    "regard.model.state_space.s4d.S4D": _STATE_SPACE,
    "regard.model.state_space.h3.H3": {
        **_STATE_SPACE,
        **dict.fromkeys(["shift_taps", "head_dim"], integer(1)),
        "bias": TRUTH,
    },
    "regard.model.positions.Rotary": {"base": number(above=0)},
    "regard.model.feed_forward.": {"bias": TRUTH},
    "regard.model.output.": {"bias": TRUTH},
    **DATA,
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
