"""Existing SentencePiece models: the same pieces, with the special ids that regard expects."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
from sentencepiece import sentencepiece_model_pb2 as proto

from regard.data.tokenizer.specials import BOS, EOS, NUM_SPECIALS, PAD, UNK
from regard.data.tokenizer.tokenizer import Tokenizer, TokenizerSettings
from regard.data.tokenizer.vocabulary import known_vocab_size, train_tokenizer
from regard.errors import UsageError

SYLLABLES = ("ka", "lo", "mi", "rü", "sen", "tor", "vel", "ß")
WORDS = [a + b + c for a in SYLLABLES for b in SYLLABLES for c in SYLLABLES]
TEXT = [f"the {a} sees {WORDS[-n]} {n % 7} {WORDS[n // 2]}s" for n, a in enumerate(WORDS)]
ODD = ["", " ", "two\nlines\n", "  ", "▁", "漢字 😀\x00", "<s> a </s>", "a<pad>b<mask>c", "karüsen, milo; THE"]

OTHERS: dict[str, dict[str, Any]] = {
    "llama": {
        "model_type": "bpe",
        "unk_id": 0,
        "bos_id": 1,
        "eos_id": 2,
        "pad_id": -1,
        "byte_fallback": True,
        "vocab_size": 310,
    },
    "t5": {"model_type": "unigram", "pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1},
    "last": {"model_type": "unigram", "unk_id": 5, "bos_id": -1, "eos_id": 4, "pad_id": -1, "control_symbols": "<sep>"},
    "named": {"model_type": "bpe", "pad_id": 3, "unk_id": 1, "bos_piece": "[CLS]", "bos_id": 0, "pad_piece": "[PAD]"},
    "taken": {"model_type": "bpe", "pad_id": -1, "user_defined_symbols": ["<pad>", "<mask>"]},
    "chars": {"model_type": "char", "vocab_size": 20},
    "ours": {"model_type": "bpe", "pad_id": PAD, "bos_id": BOS, "eos_id": EOS, "unk_id": UNK},
}


@pytest.fixture(params=OTHERS)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXT),
        model_writer=model,
        minloglevel=2,
        **{"vocab_size": 60} | OTHERS[request.param],
    )
    path = tmp_path / "some.model"
    path.write_bytes(model.getvalue())
    return path


def adopted(path: Path) -> Tokenizer:
    return train_tokenizer((), TokenizerSettings(kind="existing", model=str(path)))


def processor(path: Path) -> sentencepiece.SentencePieceProcessor:
    return sentencepiece.SentencePieceProcessor(model_file=str(path))


def test_text_has_the_same_pieces(path: Path) -> None:
    original = processor(path)
    ours = adopted(path)
    adapted = sentencepiece.SentencePieceProcessor(model_proto=ours.model)
    for text in (*TEXT, *ODD):
        if text == "▁" and original.piece_to_id("<0xE2>") != original.unk_id():
            assert ours.decode(ours.encode(text)) == "▁"  # better than the original
            continue
        ids = ours.encode(text)
        assert [adapted.id_to_piece(token) for token in ids] == original.encode(text, out_type=str) or UNK in ids
        assert ours.decode(ids) == original.decode(original.encode(text))


def test_pieces_keep_their_order_scores_and_types(path: Path) -> None:
    before, original = proto.ModelProto.FromString(path.read_bytes()), processor(path)
    ours = adopted(path)
    after = proto.ModelProto.FromString(ours.model)
    special = {original.pad_id(), original.bos_id(), original.eos_id(), original.unk_id()} - {-1}
    rest = [piece for place, piece in enumerate(before.pieces) if place not in special]
    assert list(after.pieces[NUM_SPECIALS:]) == rest
    assert ours.vocab_size == len(rest) + NUM_SPECIALS == known_vocab_size(TokenizerSettings("existing", str(path)))
    assert ours.decode([BOS, *ours.encode("the kalo"), EOS, PAD]) == "the kalo"
    assert after.normalizer_spec == before.normalizer_spec
    again = path.with_name("again.model")
    again.write_bytes(ours.model)
    assert adopted(again) == ours


def test_a_file_that_is_not_a_model_is_an_error(tmp_path: Path) -> None:
    junk = tmp_path / "junk.model"
    for content in (b"", b"junk", b"\x00" * 100):
        junk.write_bytes(content)
        with pytest.raises(UsageError, match=r"^tokenizer\.model=\S+junk\.model: not a SentencePiece model; give .*$"):
            adopted(junk)
    with pytest.raises(UsageError, match=r"^tokenizer\.model=\S+none\.model: No such file or directory; give .*$"):
        adopted(tmp_path / "none.model")
    with pytest.raises(UsageError, match=r"^tokenizer\.model=\S+: Is a directory; give"):
        adopted(tmp_path)


def test_a_model_requires_the_kind_existing() -> None:
    for wrong in ({"kind": "existing"}, {"kind": "bpe", "model": "some.model"}, {"kind": "byte", "model": "a"}):
        with pytest.raises(UsageError, match=r"^tokenizer\.model=.*tokenizer=existing"):
            TokenizerSettings(**wrong)


def test_the_fingerprint_depends_on_the_content_of_the_model(tmp_path: Path) -> None:
    one, two = tmp_path / "one.model", tmp_path / "two.model"
    one.write_bytes(b"a")
    two.write_bytes(b"a")
    first, second = TokenizerSettings("existing", str(one)), TokenizerSettings("existing", str(two))
    assert first.fingerprint() == second.fingerprint()
    two.write_bytes(b"b")
    assert first.fingerprint() != second.fingerprint()


def test_the_fingerprint_depends_on_the_settings_in_use() -> None:
    assert TokenizerSettings().fingerprint() != TokenizerSettings(newlines=True).fingerprint()
    assert TokenizerSettings().fingerprint() != TokenizerSettings(vocab_size=9000).fingerprint()
    assert TokenizerSettings("byte").fingerprint() == TokenizerSettings("byte", vocab_size=9000).fingerprint()
    assert TokenizerSettings("byte").fingerprint() != TokenizerSettings("byte", joint=False).fingerprint()
