"""Small real parts and runs that several tests use: real text, real SentencePiece, the real Trainer, in seconds.

Torch and regard are imported inside: this file is read before pytest switches the shape checks of regard.model on.
"""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

if TYPE_CHECKING:
    from warm import WarmProcess

    from regard.data.tokenizer.tokenizer import Tokenizer
    from regard.model.transformer import Transformer
    from regard.observe.record.drawing import DrawingTrace
    from regard.observe.record.mixers import OtherMixer
    from regard.observe.record.trace import Trace
    from regard.runs.folder import RunFolder

    StartWarm = Callable[..., WarmProcess]

SMALL = [
    "data=parallel", "data.source=en", "data.target=de",
    "tokenizer.vocab_size=70", "tokenizer.byte_fallback=false", "tokenizer.split_digits=false",
    "model=demo", "model.dim=16", "model.depth=1", "model.num_heads=2", "model.ffn_dim=32",
    "model.max_length=32",  # the text has up to 20 tokens; a model that has learned little decodes to the limit
    "batches.tokens_per_batch=128",
    "trainer.max_steps=6", "trainer.log_every_n_steps=1", "trainer.val_check_interval=4",
    "callbacks.last.every_n_steps=3", "callbacks.attention.sentences=1", "logger=none",
    "optimizer.lr=0.01", "schedule.warmup_steps=1",  # so much that six steps make a difference
]  # fmt: skip

# The same text, each line a document and each byte a token.
SMALL_LANGUAGE = [
    "task=language", "data=text", "data.document=line", "tokenizer=byte",
    "model=demo", "model.dim=16", "model.depth=1", "model.num_heads=2", "model.ffn_dim=32", "model.max_length=32",
    "batches.tokens_per_batch=128", "batches.evaluation_tokens_per_batch=256", "batches.stride=20",
    "task.scorer.prompt_tokens=8", "task.scorer.new_tokens=12", "optimizer.lr=0.01", "schedule.warmup_steps=5",
    "trainer.max_steps=40", "trainer.log_every_n_steps=1", "trainer.val_check_interval=20",
    "callbacks.attention.sentences=1", "logger=none",
]  # fmt: skip

SMALL_CAPTIONING = [
    "task=captioning", "data.size=120", "data.validation_size=20", "data.test_size=20", "data.held_out_size=10",
    "model=demo", "model.dim=16", "model.depth=1", "model.num_heads=2", "model.ffn_dim=32", "model.max_length=20",
    "model.encoder.stem_channels=[4]", "batches.images_per_batch=16",
    "trainer.max_steps=6", "trainer.log_every_n_steps=1", "trainer.val_check_interval=4",
    "callbacks.last.every_n_steps=3", "callbacks.attention.sentences=1", "logger=none",
    "optimizer.lr=0.01", "schedule.warmup_steps=1",
]  # fmt: skip

SMALL_DRAWING = [
    "task=text_to_image", "data.size=120", "data.validation_size=20", "data.test_size=20", "data.held_out_size=10",
    "model.dim=16", "model.depth=1", "model.num_heads=2", "model.ffn_dim=32", "model.max_length=20",
    "task.scorer.validation_images=4", "task.scorer.test_images=6", "task.scorer.steps=2",
    "trainer.max_steps=6", "trainer.log_every_n_steps=1", "trainer.val_check_interval=4",
    "callbacks.last.every_n_steps=3", "logger=none", "schedule.warmup_steps=1",
]  # fmt: skip

SMALL_ANSWERS = [
    "task=language", "data=induction", "data.length=8", "data.vocab_size=6",
    "data.validation_size=20", "data.test_size=20", "batches.examples_per_batch=16",
    "model.dim=16", "model.depth=2", "model.num_heads=2", "model.ffn_dim=32",
    "trainer.max_steps=6", "trainer.log_every_n_steps=1", "trainer.val_check_interval=4",
    "callbacks.last.every_n_steps=3", "callbacks.attention.sentences=1", "logger=none",
    "optimizer.lr=0.01", "schedule.warmup_steps=1",
]  # fmt: skip

# The code of a process that starts runs.
LAUNCH = """
import sys
from pathlib import Path
from regard.launch.start import start
from regard.runs.folder import RunFolder

sys.exit(start([RunFolder(Path(path)) for path in sys.argv[1:]]))
"""

COLOURS = {"red": "rot", "green": "grün", "blue": "blau", "white": "weiß", "black": "schwarz"}
THINGS = {"house": "Haus", "roof": "Dach", "boat": "Boot", "book": "Buch", "horse": "Pferd", "sheet": "Blatt"}


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """On tensors as small as ours threads only wait for each other, on a busy machine for long."""
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)


@pytest.fixture(scope="session")
def pairs() -> list[tuple[str, str]]:
    """Ninety sentences, English and German, of three to some twenty tokens."""
    return [
        (
            f"the {thing} is " + f"very, {'very, ' * more}" * (more > 0) + colour,
            f"das {ding} ist {'sehr ' * more}{farbe}",
        )
        for more in (0, 1, 3)
        for thing, ding in THINGS.items()
        for colour, farbe in COLOURS.items()
    ]


@pytest.fixture(scope="session")
def tokenizer(pairs: list[tuple[str, str]]) -> Tokenizer:
    """A joint vocabulary of 70 pieces, learned from ``pairs``."""
    from regard.data.tokenizer.tokenizer import TokenizerSettings
    from regard.data.tokenizer.vocabulary import train_tokenizer

    settings = TokenizerSettings(vocab_size=70, byte_fallback=False, character_coverage=1.0)
    return train_tokenizer((side for pair in pairs for side in pair), settings)


@pytest.fixture(scope="session")
def make_model() -> Callable[..., Transformer]:
    """Makes a small random model in eval mode; options override the arguments of ``Transformer``."""
    import torch

    from regard.model.encoders.text import TextEncoder
    from regard.model.feed_forward import relu
    from regard.model.mixer import SelfAttention
    from regard.model.norm import layer_norm
    from regard.model.positions import Sinusoidal
    from regard.model.residual import PreNorm
    from regard.model.transformer import Transformer

    def make(seed: int = 0, encoder: bool = True, **options: Any) -> Transformer:
        torch.manual_seed(seed)
        arguments: dict[str, Any] = {"dim": 16, "depth": 2, "num_heads": 2, "ffn_dim": 24, "dropout": 0.0}
        arguments |= {"vocab_size": 13, "source_vocab_size": None, "max_length": 32}
        arguments |= {"positions": Sinusoidal, "mixer": SelfAttention, "feed_forward": relu}
        arguments |= {"residual": partial(PreNorm, norm=layer_norm)} | options
        text_encoder = partial(TextEncoder, depth=arguments["depth"])
        return Transformer(**arguments, encoder=text_encoder if encoder else None).eval()

    return make


@pytest.fixture(scope="session")
def make_trace() -> Callable[..., Trace]:
    """Makes what is recorded of a sentence of any pieces, by a model of random numbers: weights follow from vectors."""
    import numpy as np

    from regard.observe.record.lens import LogitLens
    from regard.observe.record.likelihood import TEMPERATURES, Likelihood
    from regard.observe.record.maps import SentenceMaps
    from regard.observe.record.trace import HeadVectors, Trace

    def softmax(scores: np.ndarray) -> np.ndarray:
        powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
        return powers / powers.sum(axis=-1, keepdims=True)

    def make(
        source: list[str],
        target: list[str],
        layers: int = 2,
        heads: int = 4,
        groups: int = 2,
        dim: int = 8,
        seed: int = 7,
        mixers: dict[str, OtherMixer] | None = None,
    ) -> Trace:
        rng = np.random.default_rng(seed)
        sides = {"encoder.{}.self": (source, source), "decoder.{}.self": (target, target)}
        sides |= {"decoder.{}.cross": (target, source)}
        maps, vectors = {}, {}
        for layer in range(layers):
            for kind, (queries, keys) in sides.items():
                if not queries or not keys:
                    continue
                query = rng.normal(size=(heads, len(queries), dim)).astype(np.float32)
                key, value = rng.normal(size=(2, groups, len(keys), dim)).astype(np.float32) * 1.5
                scores = query @ key.repeat(heads // groups, axis=0).transpose(0, 2, 1) / np.sqrt(dim)
                if kind == "decoder.{}.self":
                    scores = np.where(np.tril(np.ones(scores.shape[1:], dtype=bool)), scores, -np.inf)
                maps[kind.format(layer)] = softmax(scores).astype(np.float32)
                vectors[kind.format(layer)] = HeadVectors(query, key, value)

        def best(scores: np.ndarray, count: int) -> tuple[list[list[str]], np.ndarray, np.ndarray]:
            order = np.argsort(-scores, axis=-1)[..., :count]
            return [[vocabulary[i] for i in row] for row in order], order, np.take_along_axis(scores, order, axis=-1)

        vocabulary = [*dict.fromkeys(target), *(f"▁other{number}" for number in range(30))]
        ids = np.array([vocabulary.index(piece) for piece in target])
        logits = 3 * rng.normal(size=(layers + 1, len(target), len(vocabulary)))
        logits[-1, np.arange(len(target)), ids] += 3
        candidates, _, candidate_logits = best(logits[-1], 10)
        sums = [np.log(np.exp(logits[-1] / temperature).sum(axis=-1)) for temperature in TEMPERATURES]
        own = logits[-1, np.arange(len(target)), ids]
        shares = softmax(logits)
        own_shares = shares[:, np.arange(len(target)), ids]
        guesses = [best(layer, 5) for layer in shares]
        return Trace(
            source=" ".join(source[:-1]).replace("▁", ""),
            target=" ".join(target[:-1]).replace("▁", ""),
            maps=SentenceMaps(source, ["<s>", *target[:-1]], target, maps),
            vectors=vectors,
            likelihood=Likelihood(own, candidates, candidate_logits, np.stack(sums, axis=-1)),
            lens=LogitLens(
                layers=["embedding", *(f"layer {layer}" for layer in range(layers))],
                candidates=[pieces for pieces, _, _ in guesses],
                candidate_probabilities=np.stack([share for _, _, share in guesses]),
                probabilities=own_shares,
                ranks=(shares > own_shares[..., None]).sum(axis=-1),
            ),
            mixers=mixers or {},
        )

    return make


@pytest.fixture(scope="session")
def make_drawing() -> Callable[..., DrawingTrace]:
    """Makes what is recorded of the drawing of a prompt of any pieces: 3 by 4 patches, random weights and pixels."""
    import numpy as np

    from regard.inference.drawing.drawing import Drawing
    from regard.inference.drawing.text_to_image import Wanted
    from regard.observe.record.drawing import DrawingTrace, DrawnMaps

    def make(pieces: list[str], steps: int = 4, layers: int = 2, heads: int = 2, seed: int = 5) -> DrawingTrace:
        rng = np.random.default_rng(seed)

        def weights(*shape: int) -> np.ndarray:
            powers = np.exp(1.5 * rng.normal(size=shape))
            return (powers / powers.sum(axis=-1, keepdims=True)).astype(np.float32)

        patches, words = 12, len(pieces)
        maps = DrawnMaps(
            {f"decoder.{layer}.cross": weights(steps, heads, patches, words) for layer in range(layers)},
            {f"decoder.{layer}.self": weights(heads, patches, patches) for layer in range(layers)},
            {"encoder.0.self": weights(heads, words, words)},
        )
        images = list(rng.integers(0, 256, (2 * steps + 1, 24, 32, 3), dtype=np.uint8))
        times = [step / steps for step in range(steps)]
        prompt = "".join(pieces[:-1]).replace("▁", " ").strip()
        return DrawingTrace(
            Wanted(prompt, seed), Drawing(steps), pieces, (3, 4), images[0], times,
            images[1 : steps + 1], images[steps + 1 :], maps,
        )  # fmt: skip

    return make


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str]]) -> Path:
    """train.tsv, validation.tsv and test.tsv."""
    folder = tmp_path_factory.mktemp("corpus")
    for name, part in (("train", pairs[:70]), ("validation", pairs[70:80]), ("test", pairs[80:])):
        (folder / f"{name}.tsv").write_text("".join(f"{s}\t{t}\n" for s, t in part), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def arguments(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command line of a small run."""
    folder = tmp_path_factory.mktemp("work")
    parts = [f"data.{name}={corpus / name}.tsv" for name in ("train", "validation", "test")]
    return [*SMALL, *parts, f"paths.cache={folder / 'cache'}", f"paths.runs={folder / 'runs'}"]


@pytest.fixture(scope="session")
def make_run(arguments: list[str]) -> Callable[..., RunFolder]:
    """Freezes a small run; more arguments override."""
    from regard.config.compose import compose_points, freeze

    def make(*overrides: str) -> RunFolder:
        return freeze(compose_points([*arguments, *overrides]))[0]

    return make


@pytest.fixture(scope="session")
def finished(make_run: Callable[..., RunFolder]) -> RunFolder:
    """A small run that has been worked through; look, do not touch."""
    from regard.runs.work import work

    run = make_run("name=finished")
    assert work(run.path) == 0
    return run


@pytest.fixture(scope="session")
def watched(make_run: Callable[..., RunFolder], tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A small run that has been worked through and logged to W&B, offline; look, do not touch.

    The home and current folder of the user were `home` in the folder of the fixture.
    """
    from regard.runs.work import work

    run = make_run("logger=wandb", "logger.mode=offline", "name=watched")
    home = run.path.with_name("home")
    home.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.setenv("HOME", str(home))
        assert work(run.path) == 0
    return run


@pytest.fixture(scope="session")
def make_language_run(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., RunFolder]:
    """Freezes a small run of a language model; arguments override."""
    from regard.config.compose import compose_points, freeze

    folder = tmp_path_factory.mktemp("language")
    parts = [f"data.{name}={corpus / name}.tsv" for name in ("train", "validation", "test")]
    places = [f"paths.cache={folder / 'cache'}", f"paths.runs={folder / 'runs'}"]

    def make(*overrides: str) -> RunFolder:
        return freeze(compose_points([*SMALL_LANGUAGE, *parts, *places, *overrides]))[0]

    return make


@pytest.fixture(scope="session")
def finished_language(make_language_run: Callable[..., RunFolder]) -> RunFolder:
    """A small run of a language model that has been worked through; look, do not touch."""
    from regard.runs.work import work

    run = make_language_run("name=finished")
    assert work(run.path) == 0
    return run


@pytest.fixture(scope="session")
def make_captioning_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., RunFolder]:
    """Freezes a small run of a captioning model on rendered scenes; arguments override."""
    from regard.config.compose import compose_points, freeze

    folder = tmp_path_factory.mktemp("captioning")
    places = [f"paths.cache={folder / 'cache'}", f"paths.runs={folder / 'runs'}"]

    def make(*overrides: str) -> RunFolder:
        return freeze(compose_points([*SMALL_CAPTIONING, *places, *overrides]))[0]

    return make


@pytest.fixture(scope="session")
def finished_captioning(make_captioning_run: Callable[..., RunFolder]) -> RunFolder:
    """A small run of a captioning model that has been worked through; look, do not touch."""
    from regard.runs.work import work

    run = make_captioning_run("name=finished")
    assert work(run.path) == 0
    return run


@pytest.fixture(scope="session")
def make_drawing_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., RunFolder]:
    """Freezes a small run of a model that draws rendered scenes; arguments override."""
    from regard.config.compose import compose_points, freeze

    folder = tmp_path_factory.mktemp("drawing")
    places = [f"paths.cache={folder / 'cache'}", f"paths.runs={folder / 'runs'}"]

    def make(*overrides: str) -> RunFolder:
        return freeze(compose_points([*SMALL_DRAWING, *places, *overrides]))[0]

    return make


@pytest.fixture(scope="session")
def finished_drawing(make_drawing_run: Callable[..., RunFolder]) -> RunFolder:
    """A small run of a model that draws that has been worked through; look, do not touch."""
    from regard.runs.work import work

    run = make_drawing_run("name=finished")
    assert work(run.path) == 0
    return run


@pytest.fixture(scope="session")
def make_answers_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., RunFolder]:
    """Freezes a small run on generated sequences with answers; arguments override."""
    from regard.config.compose import compose_points, freeze

    folder = tmp_path_factory.mktemp("answers")
    places = [f"paths.cache={folder / 'cache'}", f"paths.runs={folder / 'runs'}"]

    def make(*overrides: str) -> RunFolder:
        return freeze(compose_points([*SMALL_ANSWERS, *places, *overrides]))[0]

    return make


@pytest.fixture
def importable(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], None]]:
    """Makes the modules in a folder importable. After the test they are not, so that another may use their names."""
    before = set(sys.modules)
    folders: list[Path] = []

    def add(folder: Path) -> None:
        folders.append(folder)
        monkeypatch.syspath_prepend(str(folder))

    yield add
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None)
        if file and any(Path(file).is_relative_to(folder) for folder in folders):
            del sys.modules[name]


class Said(NamedTuple):
    """What a command gave."""

    code: int
    out: str
    err: str


@pytest.fixture
def regard(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Runs a command line in this process, which has torch loaded already: it starts in no time."""
    from regard.cli import main

    def run(*arguments: Any, stdin: Any = "") -> Said:
        monkeypatch.setattr(sys, "argv", ["regard", *map(str, arguments)])
        given = io.TextIOWrapper(io.BytesIO(stdin.encode())) if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "stdin", given)
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        return Said(int(ended.value.code or 0), *capsys.readouterr())

    return run


def _hear_signals() -> None:
    """Tests that run in the background of a shell, or under nohup, ignore some; what they start shall not."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@pytest.fixture
def start() -> Callable[..., subprocess.Popen[str]]:
    """Starts ``python -m MODULE ARGUMENTS`` as users do, apart from this process."""

    def start(module: str, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            preexec_fn=_hear_signals,
        )

    return start


@pytest.fixture
def start_warm(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[StartWarm]:
    """Starts ``python -m MODULE ARGUMENTS`` or ``python -c CODE ARGUMENTS`` in a process that has imported torch."""
    from warm import WarmProcess

    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    started: list[WarmProcess] = []

    def start(*arguments: str) -> WarmProcess:
        started.append(WarmProcess(tmp_path_factory.mktemp("process"), *arguments))
        return started[-1]

    yield start
    for process in started:
        process.kill()


@pytest.fixture
def regard_warm(start_warm: StartWarm) -> Callable[..., Said]:
    """Runs a command line in a process that has imported torch, as have the processes of runs that it starts."""

    def run(*arguments: Any) -> Said:
        process = start_warm("-m", "regard.cli", *map(str, arguments))
        out, err = process.communicate()
        assert process.returncode is not None
        return Said(process.returncode, out, err)

    return run


@pytest.fixture(scope="session")
def start_launch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[list[RunFolder]], WarmProcess]]:
    """Starts runs with their launchers in a process that has imported torch, as have its subprocesses."""
    from warm import WarmProcess

    started: list[WarmProcess] = []

    def start_launch(runs: list[RunFolder]) -> WarmProcess:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("OMP_NUM_THREADS", "1")
            paths = (str(run.path) for run in runs)
            started.append(WarmProcess(tmp_path_factory.mktemp("process"), "-c", LAUNCH, *paths))
        return started[-1]

    yield start_launch
    for process in started:
        process.kill()


@pytest.fixture(scope="session")
def launch(start_launch: Callable[[list[RunFolder]], WarmProcess]) -> Callable[[list[RunFolder]], int]:
    """Does what `regard.launch.start.start` does, in such a process; returns the exit code."""

    def launch(runs: list[RunFolder]) -> int:
        process = start_launch(runs)
        print(*process.communicate())
        assert process.returncode is not None
        return process.returncode

    return launch


@pytest.fixture(scope="session")
def copy_run(finished: RunFolder) -> Callable[..., RunFolder]:
    """Copies what a real small run left, but for its checkpoints, with another configuration and other rows."""
    import copy
    import csv
    import shutil

    import yaml

    from regard.runs.folder import RunFolder

    original = finished.config()

    def make(
        folder: Path, config: dict[str, Any] | None = None, rows: list[dict[str, Any]] | None = None, **status: Any
    ) -> RunFolder:
        """A run at ``folder``: ``config`` by dotted keys, ``rows`` of metrics.csv, ``status`` what differs in it."""
        shutil.copytree(
            finished.path, folder, ignore=shutil.ignore_patterns("checkpoints", "wandb", ".*", "index.html")
        )
        changed = copy.deepcopy(original)
        for key, value in (config or {}).items():
            *parents, last = key.split(".")
            section = changed
            for parent in parents:
                section = section.setdefault(parent, {})
            section[last] = value
        dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
        (folder / "config.yaml").write_text(yaml.dump(changed, Dumper=dumper, sort_keys=False), encoding="utf-8")
        overrides = [f"{key}={value}" for key, value in (config or {}).items()]
        (folder / "overrides.yaml").write_text(yaml.safe_dump(overrides), encoding="utf-8")
        if rows is not None:
            columns = list(dict.fromkeys(["step", *(name for row in rows for name in row)]))
            with (folder / "metrics.csv").open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, columns, lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)
        run = RunFolder(folder)
        if status:
            run.set_status(status.pop("status", "finished"), **status)
        return run

    return make
