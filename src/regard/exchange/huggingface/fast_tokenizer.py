"""A SentencePiece model as a tokenizer of the library tokenizers, which transformers reads from tokenizer.json."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sentencepiece import sentencepiece_model_pb2 as proto

from regard.data.tokenizer.specials import EOS, NUM_SPECIALS, SPACE, UNK

if TYPE_CHECKING:
    from tokenizers import Tokenizer, models

BPE_LIKE = (proto.TrainerSpec.BPE, proto.TrainerSpec.CHAR)
NORMAL, USER_DEFINED = proto.ModelProto.SentencePiece.NORMAL, proto.ModelProto.SentencePiece.USER_DEFINED
# Of pieces such as </s>: the library finds their names in a text, and prefers them only to unknown characters.
UNLIKELY = -1e6


def not_converted(model: bytes) -> str | None:
    """Return what a SentencePiece model has that `fast_tokenizer` does not; None if it can be converted."""
    parsed = proto.ModelProto.FromString(model)
    settings = parsed.normalizer_spec
    if parsed.trainer_spec.model_type not in (*BPE_LIKE, proto.TrainerSpec.UNIGRAM):
        return "a vocabulary of words"
    if parsed.trainer_spec.treat_whitespace_as_suffix:
        return "pieces that end with a space"
    if parsed.denormalizer_spec.precompiled_charsmap:
        return "replacements in its output"
    has_symbols = any(piece.type == USER_DEFINED for piece in parsed.pieces)
    if has_symbols and (settings.precompiled_charsmap or settings.remove_extra_whitespaces):
        return "newlines in normalised text"
    return None


def fast_tokenizer(model: bytes, ends: bool) -> Tokenizer:
    """Return a tokenizer with the same pieces and ids. With ``ends``, ``</s>`` follows each text.

    Its ids differ from those of regard where the text itself contains ``▁`` (`regard.data.tokenizer.space_sign`) or, in
    unigram vocabularies, the name of a special piece, such as ``</s>``, with characters that are not pieces.
    With normalisation, the library loses a combining mark after a character that is changed, if Unicode has no
    character for both.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers, processors

    parsed = proto.ModelProto.FromString(model)
    settings = parsed.normalizer_spec
    found = Tokenizer(_bpe(parsed) if parsed.trainer_spec.model_type in BPE_LIKE else _unigram(parsed))
    steps: list[normalizers.Normalizer] = []
    if settings.precompiled_charsmap:
        steps.append(normalizers.Precompiled(settings.precompiled_charsmap))
    if settings.remove_extra_whitespaces:
        steps += [normalizers.Replace(Regex(r"\A +| +\z"), ""), normalizers.Replace(Regex(" {2,}"), " ")]
    if settings.add_dummy_prefix:
        steps.append(normalizers.Replace(Regex(r"\A(?=.)"), " "))
    if settings.escape_whitespaces:
        steps.append(normalizers.Replace(" ", SPACE))
    found.normalizer = normalizers.Sequence(steps)
    symbols = sorted((piece.piece for piece in parsed.pieces if piece.type == USER_DEFINED), key=len, reverse=True)
    splits = [pre_tokenizers.Split(symbol, behavior="isolated") for symbol in symbols]
    if splits:
        found.pre_tokenizer = pre_tokenizers.Sequence(splits)
    found.decoder = decoders.Sequence(
        [
            *([decoders.Replace(SPACE, " ")] if settings.escape_whitespaces else []),
            *([decoders.ByteFallback()] if parsed.trainer_spec.byte_fallback else []),
            decoders.Fuse(),
            *([decoders.Strip(" ", 1, 0)] if settings.add_dummy_prefix else []),
        ]
    )
    found.add_special_tokens([AddedToken(piece.piece, special=True) for piece in parsed.pieces[:NUM_SPECIALS]])
    if ends:
        end = parsed.pieces[EOS].piece
        found.post_processor = processors.TemplateProcessing(single=f"$A {end}", special_tokens=[(end, EOS)])
    return found


def _bpe(model: proto.ModelProto) -> models.Model:
    """Merges are in the order of the scores of what they make. A vocabulary of characters has none."""
    from tokenizers import models

    ranks = {piece.piece: (-piece.score, number) for number, piece in enumerate(model.pieces) if piece.type == NORMAL}
    merges = [
        (rank, piece[:place], piece[place:])
        for piece, rank in ranks.items()
        for place in range(1, len(piece))
        if piece[:place] in ranks and piece[place:] in ranks
    ]
    return models.BPE(
        {piece.piece: number for number, piece in enumerate(model.pieces)},
        [(left, right) for _, left, right in sorted(merges)],
        unk_token=model.pieces[UNK].piece,
        fuse_unk=True,
        byte_fallback=model.trainer_spec.byte_fallback,
    )


def _unigram(model: proto.ModelProto) -> models.Model:
    from tokenizers import models

    scores = [piece.score if piece.type in (NORMAL, USER_DEFINED) else UNLIKELY for piece in model.pieces]
    pieces = [piece.piece for piece in model.pieces]
    return models.Unigram(list(zip(pieces, scores, strict=True)), UNK, model.trainer_spec.byte_fallback)
