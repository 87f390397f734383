"""CTranslate2, an engine that translates and generates on CPUs and GPUs."""
