"""The decoder: causal, independent of padding, and the same for whole prefixes and step by step."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from regard.model.attention import MultiHeadAttention
from regard.model.hybrid import Hybrid
from regard.model.mixer import MixerFactory, SelfAttention
from regard.model.positions import Rotary
from regard.model.state_space.h3 import H3
from regard.model.state_space.s4d import S4D
from regard.model.transformer import Transformer

MakeModel = Callable[..., Transformer]

PREFIX = torch.tensor([[1, 5, 6, 7, 4, 9], [1, 8, 8, 0, 0, 0], [1, 12, 5, 3, 0, 0]])
SOURCE = torch.tensor([[4, 5, 2, 0, 0], [9, 6, 7, 11, 2], [2, 0, 0, 0, 0]])

with_or_without_encoder = pytest.mark.parametrize("encoder", [True, False], ids=["translation", "language"])


def source_of(model: Transformer, rows: slice = slice(None)) -> Tensor | None:
    return None if model.encoder is None else SOURCE[rows]


def read_stepwise(model: Transformer, prefix: Tensor, source: Tensor | None, sizes: list[int]) -> Tensor:
    state, logits = model.decoder.start(model.encode(source), rows=len(prefix)), []
    for chunk in prefix.split(sizes, dim=1):
        new, state = model.decoder.extend(chunk, state)
        logits.append(new)
    return torch.cat(logits, dim=1)


@with_or_without_encoder
def test_a_token_changes_nothing_before_it(make_model: MakeModel, encoder: bool) -> None:
    model = make_model(encoder=encoder)
    source = source_of(model, slice(1))
    before = model(PREFIX[:1], source)
    for position in range(PREFIX.shape[1]):
        changed = PREFIX[:1].clone()
        changed[0, position] = 10
        after = model(changed, source)
        torch.testing.assert_close(after[:, :position], before[:, :position], rtol=0, atol=1e-5)
        for later in range(position, PREFIX.shape[1]):
            assert not torch.allclose(after[:, later], before[:, later], atol=1e-4)


@with_or_without_encoder
def test_padding_changes_nothing(make_model: MakeModel, encoder: bool) -> None:
    model = make_model(encoder=encoder)
    together = model(PREFIX, source_of(model))
    for row, (prefix, source) in enumerate(zip(PREFIX, SOURCE, strict=True)):
        prefix = prefix[prefix != 0][None]
        alone = model(prefix, source[source != 0][None] if encoder else None)
        torch.testing.assert_close(together[row : row + 1, : prefix.shape[1]], alone, rtol=0, atol=1e-5)


def test_every_source_token_matters_and_padding_does_not(make_model: MakeModel) -> None:
    model = make_model()
    before = model(PREFIX[:1], SOURCE[:1])
    for position in range(3):
        changed = SOURCE[:1].clone()
        changed[0, position] = 10
        assert not torch.allclose(model(PREFIX[:1], changed), before, atol=1e-4)
    torch.testing.assert_close(model(PREFIX[:1], SOURCE[:1, :3]), before, rtol=0, atol=1e-5)


@with_or_without_encoder
@pytest.mark.parametrize("sizes", [[1] * 6, [2, 3, 1], [6]], ids=str)
def test_cached_equals_uncached(make_model: MakeModel, encoder: bool, sizes: list[int]) -> None:
    model = make_model(encoder=encoder)
    cached = read_stepwise(model, PREFIX, source_of(model), sizes)
    torch.testing.assert_close(cached, model(PREFIX, source_of(model)), rtol=0, atol=1e-5)


def test_rows_of_a_sentence_share_its_memory(make_model: MakeModel) -> None:
    model = make_model()
    prefixes = torch.stack([torch.tensor([1, 4 + row, 11 - row]) for row in range(6)])
    state = model.decoder.start(model.encode(SOURCE), rows=6)
    assert all(memory is not None and len(memory[0]) == 3 for memory in state.memory)
    logits, _ = model.decoder.extend(prefixes, state)
    torch.testing.assert_close(logits, model(prefixes, SOURCE.repeat_interleave(2, 0)), rtol=0, atol=1e-5)


def test_memory_is_projected_once(make_model: MakeModel, monkeypatch: pytest.MonkeyPatch) -> None:
    model, project = make_model(), MultiHeadAttention.keys_values
    projected = []

    def counted(self: MultiHeadAttention, memory: Tensor) -> tuple[Tensor, Tensor]:
        projected.append(self)
        return project(self, memory)

    monkeypatch.setattr(MultiHeadAttention, "keys_values", counted)
    state = model.decoder.start(model.encode(SOURCE), rows=6)
    for step in range(4):
        _, state = model.decoder.step(PREFIX[:, step].repeat_interleave(2), state)
    for layer in model.decoder.layers:
        assert projected.count(layer.cross) == 1
        assert projected.count(layer.mixer.attention) == 4


MIXERS = {
    "attention": SelfAttention,
    "grouped, rotary": partial(SelfAttention, num_kv_heads=1, rotation=Rotary),
    "s4d": S4D,
    "h3": H3,
    "hybrid": Hybrid(H3, SelfAttention, [1]),
}
every_mixer = pytest.mark.parametrize("mixer", MIXERS.values(), ids=MIXERS.keys())


@every_mixer
@pytest.mark.parametrize("sizes", [[1] * 6, [2, 1, 3]], ids=str)
def test_reordered_rows_continue_their_selected_prefixes(
    make_model: MakeModel, mixer: MixerFactory, sizes: list[int]
) -> None:
    model = make_model(mixer=mixer)
    tokens = torch.randint(4, 13, (6, 6), generator=torch.Generator().manual_seed(1))
    state, prefixes = model.decoder.start(model.encode(SOURCE), rows=6), tokens[:, :0]
    for chunk in tokens.split(sizes, dim=1):
        logits, state = model.decoder.extend(chunk, state)
        prefixes = torch.cat([prefixes, chunk], dim=1)
        whole = model(prefixes, SOURCE.repeat_interleave(2, 0))
        torch.testing.assert_close(logits, whole[:, -chunk.shape[1] :], rtol=0, atol=1e-5)
        rows = torch.tensor([1, 1, 2, 3, 5, 4])  # each row stays within its sentence
        state, prefixes = state.reorder(rows), prefixes[rows]


def test_keys_and_values_are_written_in_place_and_not_copied_to_reorder_rows(make_model: MakeModel) -> None:
    model, rows = make_model(), torch.tensor([1, 0, 2, 2, 5, 4])
    state, caches = model.decoder.start(model.encode(SOURCE), rows=6), []
    for _ in range(16):
        _, state = model.decoder.step(rows + 4, state)
        state = state.reorder(rows)
        caches.append(state.layers[0][0].data_ptr())
    assert len(set(caches)) == 5  # of 1, 2, 4, 8 and 16 positions


@with_or_without_encoder
@every_mixer
@pytest.mark.parametrize("sentences", [[0, 2], [2, 0], [1], [2, 1, 0]], ids=str)
@torch.inference_mode()
def test_selected_sentences_are_decoded_as_if_alone(
    make_model: MakeModel, encoder: bool, mixer: MixerFactory, sentences: list[int]
) -> None:
    model = make_model(encoder=encoder, mixer=mixer)
    first, after = torch.arange(1, 13).view(6, 2) % 9 + 3, torch.arange(2 * len(sentences))[:, None] + 4
    state = model.decoder.start(model.encode(source_of(model)), rows=6, sentences=3)
    _, state = model.decoder.extend(first, state)
    swapped = torch.tensor([1, 0, 3, 2, 5, 4])
    logits, _ = model.decoder.extend(after, state.reorder(swapped).select(sentences))
    prefixes = torch.cat([first[swapped].view(3, 2, 2)[sentences].flatten(0, 1), after], dim=1)
    whole = model(prefixes, SOURCE[sentences].repeat_interleave(2, 0) if encoder else None)
    torch.testing.assert_close(logits, whole[:, 2:], rtol=0, atol=1e-5)


@torch.inference_mode()
def test_sentences_that_keep_their_place_are_not_copied(make_model: MakeModel) -> None:
    model = make_model()
    _, state = model.decoder.extend(PREFIX, model.decoder.start(model.encode(SOURCE), rows=3))
    selected = state.select([0, 2])
    for cache, before in zip(selected.layers[0], state.layers[0], strict=True):
        assert cache.data_ptr() == before.data_ptr()
        assert len(cache) == 2


def test_a_prefix_over_the_maximum_length_raises(make_model: MakeModel) -> None:
    model = make_model(encoder=False, max_length=6)
    state = model.decoder.start(None, rows=3)
    _, state = model.decoder.extend(PREFIX, state)
    with pytest.raises(ValueError, match="7 tokens: the model reads at most 6"):
        model.decoder.step(PREFIX[:, 0], state)
