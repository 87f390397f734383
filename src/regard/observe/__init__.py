"""Record, measure, draw and log (Weights & Biases) what a model attends to."""
