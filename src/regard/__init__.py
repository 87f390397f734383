"""regard trains transformers on text and shows what they attend to."""

__version__ = "0.3.0"
