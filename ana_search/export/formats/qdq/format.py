"""ONNX files with QuantizeLinear: how they are written and opened."""

from ana_search.export.formats.onnx.format import OnnxFormat
from ana_search.export.formats.qdq.writer import QdqWriter, to_qdq

__all__ = ["QdqFormat"]


class QdqFormat(OnnxFormat):
    """ONNX for any runtime: uint8 images in, logits out; weights of 8 bits."""

    suffix = ".qdq.onnx"
    needs = "any runtime that knows opset 13 of ONNX"
    write = staticmethod(to_qdq)
    operators = QdqWriter.operators
