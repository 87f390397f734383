"""ONNX: graphs of operators that many engines compute."""
