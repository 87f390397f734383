"""The network: attention, layers, encoder, decoder. It imports nothing from the rest of regard."""
