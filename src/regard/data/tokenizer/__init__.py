"""Text to token ids and back: SentencePiece, vocabularies, subword sampling."""
