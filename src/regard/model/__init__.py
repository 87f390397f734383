"""The model of p(next token | prefix, memory) and the ways to decode with it."""
