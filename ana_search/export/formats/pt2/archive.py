"""What a ``.pt2`` archive from elsewhere may hold: plain tensors and operations on them.

``torch.export.load`` runs whatever it is given: it unpickles weights, constants and samples, evaluates the expressions
of sizes, imports what the description of a container names, calls any function below ``torch``, and loads compiled
code. So an archive is read here first, everything but what ana-search writes is refused, and
the rest written anew.
"""

import io
import json
import re
import zipfile
from collections.abc import Iterator
from typing import Any

import torch

from ana_search.errors import ExportRequestError
from ana_search.export.formats.base import names

__all__ = ["METADATA", "rebuilt"]

METADATA = "ana_search.json"
_LARGEST = 2**32
_MEMBERS = re.compile(
    r"data/weights/weight_\d+|data/weights/\w+_weights_config\.json|data/constants/\w+_constants_config\.json"
    rf"|models/model\.json|data/sample_inputs/model\.pt|extra/{re.escape(METADATA)}"
    r"|archive_format|archive_version|byteorder|\.data/version|\.data/serialization_id"
)
_OPERATORS = names(
    "_assert_tensor_metadata.default _to_copy.default add.Tensor any.default arange.default "
    "cat.default index_select.default log_softmax.int matmul.default mean.dim permute.default relu.default "
    "sigmoid.default softmax.int tanh.default "
    "arange.start_step clamp.default clone.default conv1d.default conv2d.default conv3d.default "
    "contiguous.default eq.Tensor flatten.using_ints full.default ge.Tensor index.Tensor linear.default "
    "max_pool1d.default max_pool2d.default max_pool3d.default mul.Scalar mul.Tensor ones.default "
    "pad.default reshape.default rsub.Scalar searchsorted.Tensor select.int slice.Tensor "
    "slice.Tensor_step sub.Tensor sub.Scalar sum.dim_IntList sym_size.int to.dtype transpose.int "
    "view.default where.self zeros.default zeros_like.default unsqueeze.default add.Scalar "
    "where.ScalarOther where.ScalarSelf"
)
_ARITHMETIC = frozenset({"_operator.mul", "_operator.add", "_operator.sub", "_operator.ge", "_operator.floordiv"})
_SYMBOL = r"Symbol\('[su]\d+'(?:, (?:positive|nonnegative|integer)=True)*\)"
_EXPRESSION = re.compile(rf"(?:Mul\(|Add\(|\)|, |Integer\(-?\d{{1,12}}\)|{_SYMBOL}|-?\d{{1,12}})+")
_ARGUMENTS = names(
    "as_bool as_bools as_device as_expr as_float as_floats as_int as_ints as_layout as_memory_format "
    "as_name as_none as_optional_tensors as_scalar_type as_string as_strings as_sym_int as_sym_ints "
    "as_tensor as_tensors as_sym_bool as_nested_tensors"
)
_CONTAINERS = frozenset({None, "builtins.tuple", "builtins.list", "builtins.dict"})


def rebuilt(data: bytes) -> io.BytesIO:
    """Return the archive, written anew from what was checked; refuse one with anything but tensors and operations.

    Nothing of the archive's own structure is left, so that PyTorch cannot read it in another way than was checked.

    Raises:
        ExportRequestError: what it holds, by name.
    """
    new = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(new, "w") as checked:
            for name in _members(old):
                checked.writestr(name, _checked(name.partition("/")[2], old.read(name)))
    except (zipfile.BadZipFile, ValueError, KeyError, TypeError, AttributeError, RecursionError, OSError) as error:
        raise ExportRequestError(f"it is not an archive of PyTorch ({str(error)[:200]})") from None
    new.seek(0)
    return new


def _members(archive: zipfile.ZipFile) -> list[str]:
    names = [each.filename for each in archive.infolist()]
    if len(set(names)) != len(names) or len({name.partition("/")[0] for name in names}) != 1:
        raise ExportRequestError("its members do not lie in one folder, each once")
    if sum(each.file_size for each in archive.infolist()) > _LARGEST:
        raise ExportRequestError(f"it unpacks to more than {_LARGEST} bytes")
    for entry in archive.infolist():
        member = entry.filename.partition("/")[2]
        if not _MEMBERS.fullmatch(member):
            raise ExportRequestError(f"its member {member!r} is none that ana-search writes")
        if member.startswith("data/weights/weight_") and not entry.file_size:
            raise ExportRequestError(f"its member {member!r} is empty")
    return names


def _checked(member: str, content: bytes) -> bytes:
    if member.endswith("_config.json"):
        for tensor, entry in json.loads(content)["config"].items():
            if entry["use_pickle"] is not False or not re.fullmatch(r"weight_\d+", entry["path_name"]):
                raise ExportRequestError(f"its tensor {tensor!r} is a pickle; allowed are plain bytes")
    elif member.endswith("model.pt"):
        sample = io.BytesIO()
        try:
            torch.save(torch.load(io.BytesIO(content), weights_only=True), sample)
        except Exception as error:
            raise ExportRequestError(f"its sample is more than tensors ({str(error)[:200]})") from None
        return sample.getvalue()
    elif member == "models/model.json":
        program = json.loads(content)
        for fault in _faults(program):
            raise ExportRequestError(f"its program holds {fault}, which ana-search does not write")
        return json.dumps(program).encode()
    return content


def _faults(value: Any) -> Iterator[str]:
    """Yield what no program of ours holds, wherever it stands in the description of one; empty all notes."""
    if isinstance(value, list):
        for each in value:
            yield from _faults(each)
    if not isinstance(value, dict):
        return
    for key, each in value.items():
        if key == "target" and isinstance(each, str) and each.startswith(("torch", "_operator", "math", "#")):
            operator = each.removeprefix("torch.ops.aten.")
            if each not in _ARITHMETIC and (operator == each or operator not in _OPERATORS):
                yield f"the operation {each!r}"
        elif key.startswith("as_") and key not in _ARGUMENTS:
            yield f"an argument of the kind {key!r}"
        elif key == "expr_str" and not (isinstance(each, str) and _EXPRESSION.fullmatch(each)):
            yield f"the expression {str(each)[:80]!r}"
        elif key == "range_constraints" and not all(re.fullmatch(r"[su]\d+", name) for name in each):
            yield f"the expression {next(iter(each))[:80]!r}"
        elif key in ("guards_code", "treespec_namedtuple_fields") and each:
            yield f"{key} {str(each)[:80]!r}"
        elif key in ("in_spec", "out_spec") and each is not None:
            yield from (f"the container {kind!r}" for kind in _containers(each) if kind not in _CONTAINERS)
        elif key == "metadata":
            value[key] = {}
        else:
            yield from _faults(each)


def _containers(spec: str) -> Iterator[str | None]:
    waiting: list[Any] = [json.loads(spec)]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if "type" in value:
                yield value["type"]
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
