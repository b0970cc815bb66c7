"""The file formats, by the name that ``--format`` takes."""

from ana_search.errors import ExportRequestError
from ana_search.export.formats.base import FileFormat, Runner
from ana_search.export.formats.c import CFormat
from ana_search.export.formats.onnx import OnnxFormat
from ana_search.export.formats.pt2 import Pt2Format
from ana_search.export.formats.qdq import QdqFormat
from ana_search.export.formats.qonnx import QonnxFormat

__all__ = ["FORMATS", "FileFormat", "Runner", "get_format"]

FORMATS: dict[str, FileFormat] = {
    "onnx": OnnxFormat(),
    "qdq": QdqFormat(),
    "qonnx": QonnxFormat(),
    "pt2": Pt2Format(),
    "c": CFormat(),
}


def get_format(name: str) -> FileFormat:
    """Return a format by name. Raises `ExportRequestError` for one that does not exist."""
    if name not in FORMATS:
        raise ExportRequestError(f"there is no format {name!r}; allowed are {', '.join(FORMATS)}")
    return FORMATS[name]
