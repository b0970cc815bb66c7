"""QONNX: Quant and MultiThreshold nodes, for FINN and hls4ml."""

from ana_search.export.formats.qonnx.format import QonnxFormat
from ana_search.export.formats.qonnx.writer import to_qonnx

__all__ = ["QonnxFormat", "to_qonnx"]
