"""The embedded corpus: phrases of the Unicode CLDR in two languages, with word alignments."""
