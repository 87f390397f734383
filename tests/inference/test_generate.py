"""Text generation: continuations, next tokens, and the verbs of a language model."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sentencepiece
import torch
from rich.console import Console

from regard.data.tokenizer.tokenizer import Tokenizer, Tokenizers, TokenizerSettings
from regard.data.tokenizer.vocabulary import train_tokenizer
from regard.inference.decoding import Sampling
from regard.inference.generate import Writer, print_next_tokens
from regard.inference.language_model import LanguageModel
from regard.runs.folder import RunFolder
from regard.training.callbacks.metrics_file import read_rows

Regard = Callable[..., Any]
BROKEN = "\N{REPLACEMENT CHARACTER}"
PROMPTS = ["das Haus", "", "über", "the house is " + "very, " * 9, "ü" * 40, "\t"]

# Writer


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer((), TokenizerSettings(kind="byte"))


@pytest.fixture(scope="module")
def language_model(make_model: Callable[..., Any], tokenizer: Tokenizer) -> LanguageModel:
    """An untrained model of bytes, which generates many incomplete characters."""
    return LanguageModel(make_model(encoder=False, vocab_size=260, max_length=15), Tokenizers(tokenizer, tokenizer))


def writer(language_model: LanguageModel, **options: Any) -> Writer:
    warned: list[str] = []
    arguments = {"sampling": Sampling(), "max_new_tokens": 30, "number": 1, "seed": 5, "warn": warned.append}
    return Writer(language_model, **(arguments | options))


def test_a_stream_equals_the_continuation_written_at_once(language_model: LanguageModel) -> None:
    for prompt in PROMPTS:
        (whole,) = writer(language_model).write([prompt])
        bits = list(writer(language_model).stream(prompt))
        assert "".join(bits) == whole.text
        assert len([bit for bit in bits if bit]) > 3, "bit by bit"
        assert whole.prompt == prompt


class Scripted(LanguageModel):
    """Generates the bytes of a given text, and counts the requested tokens."""

    script = b""
    asked = 0

    def generate(self, prompts: Sequence[Sequence[int]], *rest: Any) -> Iterator[tuple[int, int]]:
        for byte in Scripted.script:
            Scripted.asked += 1
            yield 0, self.target_tokenizer._processor.piece_to_id(f"<0x{byte:02X}>")


def test_characters_are_streamed_when_they_are_complete(language_model: LanguageModel, tokenizer: Tokenizer) -> None:
    text = "aü漢😀▁ \n字"
    Scripted.script, Scripted.asked = text.encode(), 0
    at: list[tuple[str, int]] = []
    for bit in writer(Scripted(language_model.model, Tokenizers(tokenizer, tokenizer))).stream("漢"):
        at += [(bit, Scripted.asked)] * bool(bit)
    assert [bit for bit, _ in at] == list(text)
    assert [asked for _, asked in at] == list(accumulate(len(char.encode()) for char in text))


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (b"a\xe6\xbc", rf"a{BROKEN}+"),  # ends with an incomplete character
        (b"\xffb\xe6c", rf"{BROKEN}b{BROKEN}c"),
        ("a�b".encode(), f"a{BROKEN}b"),  # the replacement character itself
    ],
)
def test_invalid_bytes_are_shown_as_replacement_characters(
    language_model: LanguageModel, tokenizer: Tokenizer, script: bytes, expected: str
) -> None:
    Scripted.script = script
    assert re.fullmatch(
        expected, "".join(writer(Scripted(language_model.model, Tokenizers(tokenizer, tokenizer))).stream("x"))
    )


def test_continuations_of_a_prompt_differ_and_the_seed_reproduces_them(language_model: LanguageModel) -> None:
    once, again, other = (list(writer(language_model, number=3, seed=seed).write(PROMPTS)) for seed in (5, 5, 6))
    assert once == again
    assert [(one.prompt, one.number) for one in once] == [(prompt, n) for prompt in PROMPTS for n in range(3)]
    assert len({one.text for one in once + other}) == 6 * len(PROMPTS)
    first = list(writer(language_model).write(PROMPTS))
    assert first == once[::3], "the first is the same, however many follow"
    assert len({one.text for one in writer(language_model).write(["das"] * 3)}) == 3, "each line draws anew"


@pytest.mark.parametrize("together", [1, 4, 7])
def test_the_batch_size_does_not_change_continuations(language_model: LanguageModel, together: int) -> None:
    writing = writer(language_model, number=2)
    assert list(writing.write(PROMPTS, together)) == list(writing.write(PROMPTS))


def test_a_prompt_longer_than_the_context_is_reported_once(language_model: LanguageModel) -> None:
    warned: list[str] = []
    list(writer(language_model, number=2, warn=warned.append).write(["x" * 15, "y" * 16, "z"]))
    assert warned == ["prompt 2 is longer than the context: only its last 15 tokens are read"]


# Verbs


def test_generate_continues_a_prompt(regard: Regard, finished_language: RunFolder) -> None:
    common = ["generate", finished_language.path, "--seed", 1, "--max-new-tokens", 40]
    streamed = regard(*common, "--prompt", "the house")
    assert streamed.code == 0, streamed.err
    assert streamed.out.startswith("the house")
    assert streamed.out.endswith("\n")
    assert len(streamed.out) > len("the house\n")
    assert regard(*common, "--prompt", "the house", "--device", "cpu") == streamed
    assert regard(*common, stdin="the house\n").out == streamed.out, "from stdin as from the option"
    assert regard(*common, "--prompt", "the house", "--temperature", 0).out != streamed.out
    unseeded = ["generate", finished_language.checkpoints / "best.ckpt", "--prompt", "the house"]
    assert regard(*unseeded).out != regard(*unseeded).out
    assert regard(*common[:-1], 0, "--prompt", "the house").out == "the house\n"


def test_prompts_from_stdin_are_continued_in_order(finished_language: RunFolder, regard: Regard) -> None:
    prompts = ["das Haus", "", "the boat ist grün"]
    options = ["--seed", 3, "--max-new-tokens", 20, "--top-k", 40]
    found = regard("generate", finished_language.path, *options, stdin="\n".join(prompts))
    assert found.code == 0, found.err
    answers = re.split(r"^---\n", found.out, flags=re.MULTILINE)
    assert len(answers) == 3
    assert all(answer.startswith(prompt) for answer, prompt in zip(answers, prompts, strict=True))
    assert len(answers[1]) > 1


def test_lines_of_json_parse(regard: Regard, finished_language: RunFolder) -> None:
    prompts = ["das Haus", "grün \"'", ""]
    common = ["generate", finished_language.path, "--seed", 1, "--json", "--number", 2, "--max-new-tokens", 9]
    found = regard(*common, stdin="".join(f"{prompt}\n" for prompt in prompts))
    rows = [json.loads(line) for line in found.out.splitlines()]
    assert [(row["prompt"], row["number"]) for row in rows] == [(prompt, n) for prompt in prompts for n in (0, 1)]
    assert all(row.keys() == {"prompt", "number", "text"} for row in rows)
    assert regard(*common, "--prompt", prompts[0]).out.splitlines() == found.out.splitlines()[:2]


def test_a_typed_prompt_is_continued_before_the_next_line(
    regard: Regard, finished_language: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    def typing() -> Iterator[bytes]:
        yield b"das\n"
        assert capsys.readouterr().out.startswith("das")
        yield b"the\n"

    typist = SimpleNamespace(isatty=lambda: True, closed=False, buffer=typing())
    found = regard("generate", finished_language.path, stdin=typist)
    assert found.code == 0, found.err
    assert found.out.startswith("---\nthe")


def next_tokens(said: Any) -> dict[str, float]:
    """Parse the table that ``--next`` prints."""
    assert said.code == 0, said.err
    rows = re.findall(r"^(\S+) +([\d.]+)%(?: +█*)? *$", said.out, flags=re.MULTILINE)
    assert len(rows) == len(said.out.splitlines()) - 1, said.out
    return {token: float(share) / 100 for token, share in rows}


def test_next_prints_the_most_likely_tokens(regard: Regard, finished_language: RunFolder) -> None:
    common = ["generate", finished_language.path, "--prompt", "the hou"]
    found = next_tokens(regard(*common, "--next", 5))
    assert len(found) == 5
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert 0 < sum(found.values()) <= 1
    hot, cold = (next_tokens(regard(*common, "--next", 5, "--temperature", t)) for t in (3, 0.3))
    assert max(hot.values()) < max(found.values()) < max(cold.values())
    all_of_them = next_tokens(regard(*common, "--next", 1000))
    assert len(all_of_them) == 258, "but for padding and begin"
    assert sum(all_of_them.values()) == pytest.approx(1, abs=0.02)


def test_next_prints_only_tokens_that_can_be_sampled(regard: Regard, finished_language: RunFolder) -> None:
    common = ["generate", finished_language.path, "--prompt", "the hou", "--next", 5]
    assert len(next_tokens(regard(*common, "--top-k", 2))) == 2
    assert list(next_tokens(regard(*common, "--temperature", 0)).values()) == [1.0]


def test_a_piece_that_looks_like_markup_is_printed_unchanged(
    make_model: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pieces = ["[red]", ":smile:", "\\[b]", "[/]", "\\"]
    path = tmp_path / "odd.model"
    with path.open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(["the red house"]),
            model_writer=file,
            minloglevel=2,
            model_type="char",
            hard_vocab_limit=False,
            user_defined_symbols=pieces,
        )
    odd = train_tokenizer((), TokenizerSettings(kind="existing", model=str(path)))
    model = LanguageModel(make_model(encoder=False, vocab_size=odd.vocab_size), Tokenizers(odd, odd))
    print_next_tokens(writer(model), "the", 100, Console(highlight=False))
    shown = [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]]
    assert {*pieces, "h"} <= {*shown}
    assert sorted(shown) == sorted({*odd.pieces(range(odd.vocab_size))} - {"<pad>", "<s>"})


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["generate", "{run}", "--next", "3"], "--next needs --prompt"),
        (["generate", "{run}", "--top-p", "0"], "--top-p 0.0 is out of range: expected 0 < top_p <= 1"),
        (["generate", "{run}", "--temperature", "inf"], "'--temperature': inf is not a finite number"),
        (
            ["generate", "{translation}", "--prompt", "x"],
            "is a translation model, but this verb needs",
        ),
        (["translate", "{run}"], "is a language model, but this verb needs a translation model; use regard generate"),
        (["attend", "{run}", "--source", "x"], "--source: a language model has no source; give only --target"),
        (["attend", "{run}", "--source", "x", "--target", "y"], "--source: a language model has no source"),
        (["attend", "{run}"], "--target is empty or missing: a language model needs a text"),
        (
            ["attend", "{translation}", "--target", "y"],
            "--source is empty or missing: a translation model needs",
        ),
        (
            ["evaluate", "{run}", "--beam-size", "3"],
            "--beam-size, --length-penalty: the evaluation of a language model has no beam search",
        ),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    regard: Regard, finished: RunFolder, finished_language: RunFolder, command: list[str], words: str
) -> None:
    paths = {"run": finished_language.path, "translation": finished.path}
    found = regard(*(word.format(**paths) for word in command))
    assert found.code == 2
    assert found.out == ""
    assert found.err.count("\n") == 1
    assert words in found.err


def test_attend_shows_the_given_text(regard: Regard, finished_language: RunFolder, tmp_path: Path) -> None:
    page = tmp_path / "maps" / "page.html"
    found = regard("attend", finished_language.path, "--target", 'das "grüne" <b> Haus', "--output", page)
    assert found.code == 0, found.err
    assert found.out.splitlines()[0] == 'das "grüne" <b> Haus'
    assert "decoder.0.self" in page.read_text()
    assert "decoder.0.cross" not in page.read_text()
    assert page.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    small = regard("attend", finished_language.path, "--target", "das", "--output", page, "--megabytes", 0.01)
    assert small.code == 0
    assert small.err == (
        "regard: left out of the page because of --megabytes 0.01: query, key and value vectors of 1 sentence\n"
    )
    assert "Left out to keep this page small" in page.read_text()
    long = regard("attend", finished_language.path, "--target", "das " * 20, "--output", page)
    assert (long.code, long.err) == (0, "regard: --target has 80 tokens and is cut to the limit of the model, 31\n")


@pytest.mark.parametrize("split", ["validation", "test"])
def test_evaluate_prints_the_metrics_of_the_run(regard: Regard, finished_language: RunFolder, split: str) -> None:
    found = regard("evaluate", finished_language.path, "--split", split)
    assert found.code == 0, found.err
    shown = {name: float(value) for name, value in (line.split("\t") for line in found.out.splitlines())}
    assert shown.keys() == {f"{split}/{name}" for name in ("loss", "perplexity", "accuracy", "bits_per_byte")}
    summary = json.loads((finished_language.path / "summary.json").read_text())
    if split == "test":
        assert shown == pytest.approx({name: summary["metrics"][name] for name in shown}, abs=1e-4)
    else:
        assert shown["validation/loss"] == pytest.approx(summary["best"]["value"], abs=1e-4)


def test_the_run_has_learned_and_saves_samples_and_maps(finished_language: RunFolder) -> None:
    run = finished_language
    rows = read_rows(run.metrics)
    bits = [float(row["validation/bits_per_byte"]) for row in rows if "validation/bits_per_byte" in row]
    assert len(bits) == 2
    assert 8 > bits[0] > bits[1]
    samples = [json.loads(line) for line in (run.path / "samples.jsonl").read_text().splitlines()]
    assert [sample["step"] for sample in samples] == [20] * 3 + [40] * 3
    assert all(len(sample["source"]) == 8 and len(sample["reference"]) == 12 for sample in samples)
    assert all(sample["output"] for sample in samples)
    assert [path.name for path in sorted(run.attention.iterdir())] == [
        "index.html",
        "step-0000020.npz",
        "step-0000040.npz",
    ]
    assert "decoder.0.self" in (run.attention / "index.html").read_text()
    assert any("attention/decoder.0.self/entropy/1" in row for row in rows)


def test_a_checkpoint_alone_is_sufficient(finished_language: RunFolder, regard: Regard, tmp_path: Path) -> None:
    moved = tmp_path / "model.ckpt"
    moved.write_bytes((finished_language.checkpoints / "best.ckpt").read_bytes())
    common = ["--prompt", "das", "--seed", 1]
    assert regard("generate", moved, *common).out == regard("generate", finished_language.path, *common).out
    assert torch.load(moved, weights_only=True)["global_step"] == 40
