"""Text to token ids and back: SentencePiece, vocabularies, sub-word sampling."""
