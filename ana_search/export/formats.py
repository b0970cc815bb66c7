"""The file formats, by the name that ``--format`` takes."""

from ana_search.errors import ExportRequestError
from ana_search.export.file_format import FileFormat
from ana_search.export.onnx_format import OnnxFormat
from ana_search.export.pt2_format import Pt2Format
from ana_search.export.qonnx_format import QonnxFormat

__all__ = ["FORMATS", "get_format"]

FORMATS: dict[str, FileFormat] = {
    "onnx": OnnxFormat(),
    "qonnx": QonnxFormat(),
    "pt2": Pt2Format(),
}


def get_format(name: str) -> FileFormat:
    """Return a format by name. Raises `ExportRequestError` for one that does not exist."""
    if name not in FORMATS:
        raise ExportRequestError(f"there is no format {name!r}; allowed are {', '.join(FORMATS)}")
    return FORMATS[name]
