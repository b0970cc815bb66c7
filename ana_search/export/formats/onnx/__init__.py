"""ONNX for onnxruntime: 2-, 4- and 8-bit weights at opset 25."""

from ana_search.export.formats.onnx.format import OnnxFormat, open_session
from ana_search.export.formats.onnx.writer import to_onnx

__all__ = ["OnnxFormat", "open_session", "to_onnx"]
