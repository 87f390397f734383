"""What a model attends to: recorded, measured, drawn, and logged to Weights & Biases."""
