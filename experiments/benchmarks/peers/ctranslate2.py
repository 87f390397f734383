"""CTranslate2: Marian in its own engine, in float32, and in int8 where the others have bfloat16."""

from __future__ import annotations

from tempfile import TemporaryDirectory

import ctranslate2
import torch
from ctranslate2.converters.transformers import MarianMTLoader
from peers.transformers import marian
from work import AT_ONCE, WRITTEN, Step, Work

from regard.data.tokenizer.specials import PAD


def decode(work: Work) -> Step:
    """Translate by greedy or beam search."""
    size = work.model["vocab_size"]
    # The last token is the padding, as in every Marian model: the loader drops it.
    model = marian(work.model | {"vocab_size": size + 1}, pad_token_id=size, decoder_start_token_id=size)
    spec = MarianMTLoader().get_model_spec(model.eval())
    tokens = ["<unk0>", "<s>", "</s>", "<unk>", *(f"t{number}" for number in range(4, size))]
    spec.register_source_vocabulary(tokens)
    spec.register_target_vocabulary(tokens)
    spec.config.add_source_eos = False  # sources have it
    spec.config.decoder_start_token = "</s>"
    spec.validate()
    spec.optimize(quantization=None)
    with TemporaryDirectory() as folder:
        spec.save(folder)
        translator = ctranslate2.Translator(
            folder,
            device=work.device.type,
            compute_type="float32" if work.precision == "32-true" else "int8",
            inter_threads=1,
            intra_threads=torch.get_num_threads(),
        )
    batches = [[[tokens[piece] for piece in row if piece != PAD] for row in each.tolist()] for each in work.sources]

    def step(number: int) -> int:
        found = translator.translate_batch(
            batches[number % len(batches)],
            max_batch_size=AT_ONCE,
            beam_size=work.beam_size,
            min_decoding_length=WRITTEN,
            max_decoding_length=WRITTEN,
            disable_unk=False,
        )
        return sum(len(each.hypotheses[0]) for each in found)

    return step
