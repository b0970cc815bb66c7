"""ONNX with QuantizeLinear and DequantizeLinear at opset 13: for every runtime since 2020."""

from ana_search.export.formats.qdq.format import QdqFormat
from ana_search.export.formats.qdq.writer import to_qdq

__all__ = ["QdqFormat", "to_qdq"]
