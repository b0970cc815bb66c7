"""What an ONNX graph from elsewhere may hold: the nodes that ana-search writes, with their data inside the file.

ONNX can name data in other files by any path, operators of other domains are looked up by importing a module of that
name, and some operators hold graphs of their own or open further models. None of it is ever written here.
"""

from collections.abc import Iterable

import onnx
from onnx import AttributeProto, TensorProto

from ana_search.errors import ExportRequestError

__all__ = ["refuse_foreign"]

_PLAIN = {AttributeProto.INT, AttributeProto.INTS, AttributeProto.FLOAT, AttributeProto.STRING}


def refuse_foreign(model: onnx.ModelProto, operators: Iterable[str]) -> None:
    """Refuse a model with anything but plain nodes of these ``operators`` (``domain::name`` outside ONNX's own).

    Raises:
        ExportRequestError: what it holds, by name.
    """
    allowed = set(operators)
    domains = {each.rpartition("::")[0] for each in allowed} | {"", "ai.onnx"}
    foreign = [each.domain for each in model.opset_import if each.domain not in domains]
    if foreign:
        raise ExportRequestError(f"it imports the operators of {foreign[0]!r}, which ana-search does not write")
    for what in ("functions", "training_info"):
        if getattr(model, what):
            raise ExportRequestError(f"it holds {what}, which ana-search does not write")
    if model.graph.sparse_initializer:
        raise ExportRequestError("it holds sparse tensors, which ana-search does not write")
    for tensor in model.graph.initializer:
        if tensor.data_location != TensorProto.DEFAULT or tensor.external_data:
            raise ExportRequestError(
                f"its tensor {tensor.name!r} lies in another file: "
                f"{ {each.key: each.value for each in tensor.external_data} }; allowed is data inside the file"
            )
    for node in model.graph.node:
        name = f"{node.domain}::{node.op_type}" if node.domain not in ("", "ai.onnx") else node.op_type
        if name not in allowed:
            raise ExportRequestError(f"it holds the operator {name}, which ana-search does not write")
        for attribute in node.attribute:
            if attribute.type not in _PLAIN or attribute.ref_attr_name:
                raise ExportRequestError(
                    f"the attribute {attribute.name!r} of its operator {name} is not a plain number or text"
                )
