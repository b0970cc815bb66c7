"""A small builder of ONNX graphs: nodes, constants, and integers packed into 2 or 4 bits."""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from ana_search.export.integer import storage_bits

__all__ = ["OnnxBuilder", "pack"]

_PACKED = {2: TensorProto.INT2, 4: TensorProto.INT4, 8: TensorProto.INT8}


def pack(name: str, values: NDArray[np.integer[Any]]) -> TensorProto:
    """Return a tensor of the narrowest of INT2, INT4 and INT8 that holds ``values``.

    Elements are packed from the low bits up, as ONNX lays down for its 2- and 4-bit types.
    """
    import torch

    bits = storage_bits(torch.from_numpy(np.asarray(values, dtype=np.int8)))
    tensor = TensorProto(name=name, data_type=_PACKED[bits], dims=values.shape)
    per_byte = 8 // bits
    flat = values.reshape(-1).astype(np.int8).view(np.uint8) & (2**bits - 1)
    flat = np.concatenate([flat, np.zeros(-len(flat) % per_byte, np.uint8)]).reshape(-1, per_byte)
    shifts = np.arange(per_byte, dtype=np.uint8) * np.uint8(bits)
    tensor.raw_data = np.bitwise_or.reduce(flat << shifts, axis=1).astype(np.uint8).tobytes()
    return tensor


class OnnxBuilder:
    """Collects nodes and initialisers; equal constants are stored once."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[TensorProto] = []
        self._constants: dict[tuple[Any, ...], str] = {}
        self._names: set[str] = set()

    def name(self, stem: str) -> str:
        """Return an unused name that starts with ``stem``."""
        name, count = stem, 1
        while name in self._names:
            name, count = f"{stem}_{count}", count + 1
        self._names.add(name)
        return name

    def constant(self, values: Any, dtype: Any) -> str:
        """Return the name of a constant, adding it where it is new."""
        array = np.asarray(values, dtype=dtype)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            name = self.name(f"constant_{len(self._constants)}")
            self.initializers.append(numpy_helper.from_array(array, name))
            self._constants[key] = name
        return self._constants[key]

    def unshared(self, stem: str, values: NDArray[Any]) -> str:
        """Add an array of its own, equal to another or not, and return its name."""
        name = self.name(stem)
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def packed(self, stem: str, values: NDArray[np.integer[Any]]) -> str:
        """Add integers in the narrowest type that holds them and return their name."""
        name = self.name(stem)
        self.initializers.append(pack(name, values))
        return name

    def node(self, operation: str, *inputs: str, output: str = "", domain: str = "", **attributes: Any) -> str:
        """Add a node with one output and return the output's name."""
        output = self.name(output or operation.lower())
        self.nodes.append(
            helper.make_node(operation, list(inputs), [output], name=f"{output}.node", domain=domain, **attributes)
        )
        return output

    def rename(self, old: str, new: str) -> None:
        """Let a tensor be called ``new``, wherever nodes write or read it."""
        for node in self.nodes:
            for names in (node.input, node.output):
                for place, name in enumerate(names):
                    if name == old:
                        names[place] = new

    def cast(self, value: str, to: int, output: str = "") -> str:
        """Add a ``Cast`` and return its output's name."""
        return self.node("Cast", value, to=to, output=output)
