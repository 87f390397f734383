"""An ONNX graph that is built operator by operator. Weights of all graphs are in one file beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from torch import nn

OPSET = 23
"""The first version with the operators RMSNormalization and RotaryEmbedding."""

TYPES = {"int64": TensorProto.INT64, "float32": TensorProto.FLOAT, "bool": TensorProto.BOOL}

Shape = Sequence[int | str]
"""A string is the name of an axis of any length."""


class WeightFile:
    """The weights of several graphs in one file, each once, little-endian float32."""

    def __init__(self, path: Path, model: nn.Module) -> None:
        self.path, self.places = path, dict[str, tuple[list[int], int, int]]()
        written: dict[int, tuple[list[int], int, int]] = {}
        with path.open("wb") as file:
            for name, weight in model.named_parameters(remove_duplicate=False):
                if id(weight) not in written:
                    content = np.ascontiguousarray(weight.detach().float().cpu().numpy(), dtype="<f4").tobytes()
                    written[id(weight)] = list(weight.shape), file.tell(), len(content)
                    file.write(content)
                self.places[name] = written[id(weight)]

    def tensor(self, name: str) -> TensorProto:
        """Return a tensor whose values are in the file."""
        shape, offset, length = self.places[name]
        tensor = TensorProto(name=name, dims=shape, data_type=TensorProto.FLOAT)
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", self.path.name), ("offset", offset), ("length", length)):
            tensor.external_data.add(key=key, value=str(value))
        return tensor


class Graph:
    """A graph in construction. Values are known by their names."""

    def __init__(self, weights: WeightFile) -> None:
        self._weights = weights
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: dict[str, TensorProto] = {}
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, kind: str, shape: Shape) -> str:
        """Add an input of the graph, and return its name."""
        self._inputs.append(helper.make_tensor_value_info(name, TYPES[kind], shape))
        return name

    def output(self, name: str, value: str, kind: str, shape: Shape) -> None:
        """Add an output of the graph."""
        self._nodes.append(helper.make_node("Identity", [value], [name]))
        self._outputs.append(helper.make_tensor_value_info(name, TYPES[kind], shape))

    def has(self, weight: str) -> bool:
        """Return whether the model has a weight with this name."""
        return weight in self._weights.places

    def weight(self, name: str) -> str:
        """Return the weight of the model with this name."""
        self._initializers[name] = self._weights.tensor(name)
        return name

    def constant(self, value: Any) -> str:
        """Return a constant; a Python integer is an int64, a Python number a float32."""
        array = np.asarray(value)
        array = array.astype({"i": np.int64, "f": np.float32, "b": np.bool_}[array.dtype.kind])
        name = f"constant_{len(self._initializers)}"
        self._initializers[name] = numpy_helper.from_array(array, name)
        return name

    def apply(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output, and return it."""
        return self.apply_for(1, operator, *inputs, **attributes)[0]

    def apply_for(self, outputs: int, operator: str, *inputs: str, **attributes: Any) -> list[str]:
        """Add a node with several outputs, and return these."""
        names = [f"{operator}_{len(self._nodes)}_{number}" for number in range(outputs)]
        self._nodes.append(helper.make_node(operator, inputs, names, **attributes))
        return names

    def save(self, path: Path) -> None:
        """Check the graph and write it."""
        graph = helper.make_graph(
            self._nodes, path.stem, self._inputs, self._outputs, list(self._initializers.values())
        )
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(graph, opset_imports=[opset], producer_name="regard", ir_version=11)
        onnx.save(model, str(path))
        onnx.checker.check_model(str(path), full_check=True)
