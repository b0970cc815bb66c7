"""A frozen network as one file of C99 and its header.

Values lie in one array a type (`arena`), planned so that those which are never needed together share it; weights are
packed into 2, 4 or 8 bits; a map and the thresholds that alone read it are one loop. The last layer's floating-point
numbers become integers (`head`). The file needs ``<stdint.h>`` alone, and ``<stdio.h>`` for its ``main``.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ana_search.errors import ExportRequestError
from ana_search.export.formats.c.arena import Buffer, plan
from ana_search.export.formats.c.head import IntegerHead, integer_head
from ana_search.export.formats.c.kernels import KERNELS
from ana_search.export.formats.c.texts import ABOUT, FILTER, HEADER, MAIN, PROTOTYPES, STRUCTURES, TRACE
from ana_search.export.formats.c.values import ARENAS, BYTES, Value, identifier, type_of
from ana_search.export.formats.line import IntegerLine, find_line, integer_line
from ana_search.export.integer import FrozenNetwork, Step, storage_bits
from ana_search.export.integer import operations as ops

__all__ = ["CNetwork", "to_c"]


@dataclass(frozen=True)
class CNetwork:
    """The two files, and what the network needs: bytes of memory, and of constants."""

    source: str
    header: str
    ram_bytes: int
    flash_bytes: int


def to_c(
    frozen: FrozenNetwork,
    name: str = "network",
    metadata: Mapping[str, str] | None = None,
    pixels: Tensor | None = None,
) -> CNetwork:
    """Return ``frozen`` in C. Its names begin with ``name``; the head's bits are chosen on ``pixels``.

    Raises:
        ExportRequestError: an operation that has no loop here, or integers wider than 32 bits.
    """
    return _Writer(frozen, identifier(name), dict(metadata or {}), integer_head(frozen, pixels)).network()


class _Writer:
    def __init__(self, frozen: FrozenNetwork, name: str, metadata: dict[str, str], head: IntegerHead) -> None:
        self.frozen, self.name, self.metadata, self.head = frozen, name, metadata, head
        self.kernels: dict[str, str] = {}
        self.constants: dict[tuple[str, bytes], str] = {}
        self.declarations: list[str] = []
        self.flash = 0
        self.filter = 0
        self.layers: list[dict[str, Any]] = []
        shapes = [tuple(shape[1:]) for shape in frozen.shapes()]
        self.values = [Value(0, "uint8_t", shapes[0])]
        for number, (step, shape) in enumerate(zip(frozen.steps, shapes[1:], strict=True), 1):
            last = number == len(frozen.steps)
            same = self.values[step.inputs[0]]
            if isinstance(step.operation, ops.Flatten):
                self.values.append(Value(same.number, same.type, shape))
            else:
                self.values.append(Value(number, "" if last else type_of(step.low, step.high), shape))
        self.fused = {number for number in range(1, len(frozen.steps)) if self._is_fused(number)}

    def _is_fused(self, number: int) -> bool:
        """Return whether step ``number`` is a map that only the thresholds after it read."""
        step, following = self.frozen.steps[number - 1], self.frozen.steps[number]
        readers = [each for each in self.frozen.steps if number in each.inputs]
        return (
            isinstance(step.operation, ops.IntegerMap)
            and isinstance(following.operation, ops.Thresholds)
            and readers == [following]
        )

    def network(self) -> CNetwork:
        places, sizes = self._places()
        self.places = places
        body = [line for number, step in enumerate(self.frozen.steps, 1) for line in self._step(number, step)]
        classes = self.values[-1].size
        score = f"int{self.head.score_bits}_t"
        ram = sum(sizes[each] * BYTES[each] for each in sizes) + self.filter + classes * BYTES[score]
        words = {
            "name": self.name,
            "macro": self.name.upper(),
            "score": score,
            "classes": classes,
            "pixels": self.values[0].size,
            "shift": self.head.shift,
        }
        arenas = [f"static {kind} arena_{kind}[{size}];\n" for kind, size in sizes.items() if size]
        about = {"metadata": self.metadata, "layers": self.layers, "score": score, "classes": classes}
        parts = [
            f"/* ana-search {_in_comment(about)} */\n",
            Template(ABOUT).substitute(words),
            "#include <stdint.h>\n#ifndef ${macro}_LIBRARY\n#include <stdio.h>\n#endif\n".replace(
                "${macro}", self.name.upper()
            ),
            TRACE,
            Template(PROTOTYPES).substitute(words),
            STRUCTURES,
            "".join(arenas),
            Template(FILTER).substitute(size=self.filter) if self.filter else "",
            "".join(self.declarations),
            *self.kernels.values(),
            Template("void ${name}_scores(const uint8_t *pixels, $score *scores)\n{\n").substitute(words)
            + "".join(f"    {line}\n" for line in body)
            + "}\n",
            Template(MAIN).substitute(words),
        ]
        header = Template(HEADER).substitute(words, prototypes=Template(PROTOTYPES).substitute(words))
        return CNetwork("\n".join(part for part in parts if part), header, ram, self.flash)

    def _places(self) -> tuple[dict[int, int], dict[str, int]]:
        """Return the offset of every value in the array of its type, and the arrays' sizes."""
        buffers: dict[str, dict[int, Buffer]] = {kind: {} for kind in ("int8_t", "int16_t", "int32_t")}
        count = len(self.frozen.steps)
        for number in range(1, count):
            value = self.values[number]
            if value.number != number or number in self.fused:
                continue
            aliases = {at for at, each in enumerate(self.values) if each.number == number}
            reads = [at for at, step in enumerate(self.frozen.steps, 1) if aliases & set(step.inputs)]
            # A map that is fused with its thresholds reads while they write.
            dies = max((at + 1 if at in self.fused else at for at in reads), default=number)
            born = number - 1 if number - 1 in self.fused else number
            buffers[ARENAS[value.type]][number] = Buffer(value.size, born, dies)
        offsets: dict[int, int] = {}
        sizes = {}
        for kind, each in buffers.items():
            found, sizes[kind] = plan(each)
            offsets |= found
        return offsets, sizes

    def _at(self, index: int) -> str:
        value = self.values[index]
        if value.number == 0:
            return "pixels"
        arena = f"arena_{ARENAS[value.type]} + {self.places[value.number]}"
        return f"(uint8_t *)({arena})" if value.type == "uint8_t" else arena

    def _kernel(self, kind: str, **words: Any) -> str:
        """Return the name of a loop for these types, writing it where it is new."""
        name = "_".join([kind, *(str(each).removesuffix("_t") for key, each in words.items() if key[0] not in "_$")])
        name = re.sub(r"\W+", "_", name)
        if name not in self.kernels:
            self.kernels[name] = Template(KERNELS[kind]).substitute(
                name=name, **{key.strip("_"): each for key, each in words.items()}
            )
        return name

    def _constant(self, stem: str, values: NDArray[Any], kind: str) -> str:
        """Return the name of an array, which is stored once."""
        flat = np.asarray(values, np.int64).reshape(-1)
        key = (kind, flat.tobytes())
        if key not in self.constants:
            name = f"{stem}_{len(self.constants)}"
            self.constants[key] = name
            numbers = ["INT32_MIN" if each == -(2**31) else str(each) for each in flat.tolist()]
            rows = "\n".join(f"    {', '.join(numbers[at : at + 24])}," for at in range(0, len(numbers), 24))
            self.declarations.append(f"static const {kind} {name}[{len(flat)}] = {{\n{rows}\n}};\n")
            self.flash += len(flat) * BYTES[kind]
        return self.constants[key]

    def _window(self, source: Value, out: Value, operation: Any, kernel: tuple[int, ...], groups: int = 1) -> str:
        """Return the description of a window that moves over ``source``."""
        if len(kernel) > 2:
            raise ExportRequestError(f"{type(operation).__name__} over {len(kernel)} dimensions; allowed in C are 2")

        def two(values: tuple[int, ...], missing: int) -> tuple[int, ...]:
            return (*(missing,) * (2 - len(values)), *values)

        dilation = tuple(getattr(operation, "dilation", ()))
        numbers = (
            *(source.channels, *source.plane, out.channels, *out.plane, *two(kernel, 1)),
            *(*two(operation.stride, 1), *two(operation.padding, 0), *two(dilation, 1), groups),
        )
        name = f"window_{len(self.declarations)}"
        self.declarations.append(f"static const window {name} = {{{', '.join(map(str, numbers))}}};\n")
        self.flash += 4 * len(numbers)
        return name

    def _cuts(self, thresholds: NDArray[np.int64]) -> tuple[str, str, int, str]:
        """Return the thresholds' constant, its type, how many a channel has, and the search in it."""
        kind = "int16_t" if np.abs(thresholds).max(initial=0) < 2**15 else "int32_t"
        clipped = thresholds.clip(-(2**31), 2**31 - 1)
        return self._constant("cuts", clipped, kind), kind, thresholds.shape[-1], self._kernel("reached", cut=kind)

    def _step(self, number: int, step: Step) -> list[str]:
        if number in self.fused or isinstance(step.operation, ops.Flatten):
            return []
        if number - 1 in self.fused:
            before = self.frozen.steps[number - 2]
            lines = self._map(before.operation, before.inputs[0], number, step.operation)
        else:
            method = getattr(self, f"_{step.operation.kind}", None)
            if method is None:
                raise ExportRequestError(
                    f"C has no loop for {type(step.operation).__name__} (step {number}); export with --format onnx"
                )
            lines = method(step.operation, step.inputs, number)
        if step.layer:
            value = self.values[number]
            self.layers.append({"layer": step.layer, "type": value.type, "shape": value.shape})
            lines = [*lines, f"TRACE({self._at(number)}, {value.size * BYTES[value.type]});"]
        return lines

    def _integer_map(self, operation: ops.IntegerMap, inputs: tuple[int, ...], number: int) -> list[str]:
        return self._map(operation, inputs[0], number, None)

    def _map(self, operation: Any, index: int, number: int, steps: Any) -> list[str]:
        source, out = self.values[index], self.values[number]
        weight = operation.weight.numpy()
        bits = storage_bits(operation.weight)
        packed = self._constant("weight", _packed(weight, bits), "uint8_t")
        self.filter = max(self.filter, weight[0].size)
        linear = operation.dimensions == 0
        if linear:
            source, out = Value(0, source.type, (source.size,)), Value(0, out.type, (out.size,))
            operation = ops.IntegerMap(
                operation.weight[:, :, None, None], operation.limit, stride=(1, 1), padding=(0, 0), dilation=(1, 1)
            )
        window = self._window(source, out, operation, tuple(operation.weight.shape[2:]), operation.groups)
        words = {"bits": bits, "per_byte": 8 // bits, "mask": 2**bits - 1, "half": 2 ** (bits - 1)}
        unpack = self._kernel("unpack", **{f"_{key}" if key != "bits" else key: each for key, each in words.items()})
        given: list[str] = []
        extra, store, cut = "", f"({out.type})sum", ""
        found = self._line_of(operation, index, steps) if steps is not None else None
        if steps is not None and found is not None:
            cut = f"line_{found.raised.shape[1]}_{found.lowered.shape[1]}"
            store, given = self._on_line(found, steps)
            extra = ", const int32_t *slope, const int64_t *offset, int32_t shift, int32_t count, int32_t first"
            extra += "".join(f", const int32_t *{name}" for name in _corrected(found))
            store = f"({out.type})({store})"
        elif steps is not None:
            cuts, cut, count, reached = self._cuts(steps.thresholds.numpy())
            levels = self._constant("levels", steps.levels.numpy(), out.type)
            extra = f", const {cut} *cuts, int32_t count, const {out.type} *levels"
            store = f"levels[{reached}(sum, cuts + o * count, count)]"
            given = [cuts, str(count), levels]
        kind = {"in": source.type, "out": out.type, "bits": bits, "cut": cut}
        name = self._kernel("map", **kind, _extra=extra, _store=store, _unpack=unpack)
        return [f"{name}({', '.join([self._at(index), self._at(number), packed, '&' + window, *given])});"]

    def _line_of(self, operation: Any, index: int, steps: ops.Thresholds) -> IntegerLine | None:
        """Return the thresholds of a map as a line, where that is exact and takes fewer bytes."""
        thresholds = steps.thresholds.numpy()
        if thresholds.shape[1] * 2 <= BYTES["int32_t"] + BYTES["int64_t"]:
            return None
        low, high = (each.numpy() for each in ops.accumulator_range(operation.weight, *self._range(index)))
        found = find_line(thresholds, steps.levels.numpy(), low, high)
        return None if found is None else integer_line(found, thresholds, low, high)

    def _on_line(self, found: IntegerLine, steps: ops.Thresholds) -> tuple[str, list[str]]:
        """Return the expression of a sum's code, and the arguments that it takes."""
        store = f"first + {self._kernel('on_line')}((int64_t)slope[o] * sum + offset[o], shift, count)"
        given = [self._constant("slope", found.factor, "int32_t"), self._constant("offset", found.offset, "int64_t")]
        given += [str(found.shift), str(len(steps.levels) - 1), str(int(steps.levels[0]))]
        for name, values in _corrected(found).items():
            width = values.shape[1]
            sign = "+" if name == "raised" else "-"
            store += f" {sign} {self._kernel('occurs')}(sum, {name} + o * {width}, {width})"
            given.append(self._constant(name, values, "int32_t"))
        return store, given

    def _range(self, index: int) -> tuple[int, int]:
        """Return the least and greatest integer of a value."""
        step = self.frozen.steps[self.values[index].number - 1]
        return step.low, step.high

    def _call(self, kernel: str, *arguments: object) -> list[str]:
        return [f"{kernel}({', '.join(map(str, arguments))});"]

    def _input_table(self, operation: ops.InputTable, inputs: tuple[int, ...], number: int) -> list[str]:
        table, out = operation.table.numpy(), self.values[number]
        table = table[:1] if (table == table[0]).all() else table
        stored = self._constant("table", table, out.type)
        kernel = self._kernel("input_table", out=out.type)
        return self._call(kernel, "pixels", self._at(number), stored, len(table), out.channels, out.positions)

    def _thresholds(self, operation: ops.Thresholds, inputs: tuple[int, ...], number: int) -> list[str]:
        source, out = self.values[inputs[0]], self.values[number]
        cuts, cut, count, reached = self._cuts(operation.thresholds.numpy())
        levels = self._constant("levels", operation.levels.numpy(), out.type)
        kernel = self._kernel("thresholds", **{"in": source.type}, out=out.type, cut=cut, _reached=reached)
        places = self._at(inputs[0]), self._at(number)
        return self._call(kernel, *places, cuts, count, levels, out.channels, out.positions)

    def _side_thresholds(self, operation: ops.SideThresholds, inputs: tuple[int, ...], number: int) -> list[str]:
        source, side, out = self.values[inputs[0]], self.values[inputs[1]], self.values[number]
        cuts, cut, count, reached = self._cuts(operation.thresholds.numpy())
        levels = self._constant("levels", operation.levels.numpy(), out.type)
        types = {"in": source.type, "other": side.type, "out": out.type, "cut": cut}
        kernel = self._kernel("side_thresholds", **types, _reached=reached)
        places = self._at(inputs[0]), self._at(inputs[1]), self._at(number)
        sides = operation.thresholds.shape[1]
        return self._call(kernel, *places, cuts, count, levels, out.channels, out.positions, sides, operation.side_low)

    def _windowed(self, operation: Any, inputs: tuple[int, ...], number: int) -> list[str]:
        source, out = self.values[inputs[0]], self.values[number]
        kernel = self._kernel(operation.kind, **{"in": source.type}, out=out.type)
        window = self._window(source, out, operation, operation.kernel)
        return self._call(kernel, self._at(inputs[0]), self._at(number), f"&{window}")

    _max_pool = _window_sum = _windowed

    def _elementwise(self, operation: Any, inputs: tuple[int, ...], number: int) -> list[str]:
        """One loop over all elements or channels: which numbers it takes beside them is in the table."""
        source, out = self.values[inputs[0]], self.values[number]
        types = {"in": source.type, "out": out.type}
        if len(inputs) == 2:
            types = {"in": source.type, "other": self.values[inputs[1]].type, "out": out.type}
        numbers: dict[type[ops.Operation], tuple[object, ...]] = {
            ops.Add: (getattr(operation, "left_factor", 0), getattr(operation, "right_factor", 0), out.size),
            ops.Multiply: (out.size,),
            ops.Clamp: (getattr(operation, "low", 0), getattr(operation, "high", 0), out.size),
            ops.GlobalSum: (source.channels, source.positions),
            ops.Subsample: (source.channels, *source.plane, getattr(operation, "step", 0)),
            ops.PadChannels: (
                *(getattr(operation, side, 0) * source.positions for side in ("before", "after")),
                source.size,
            ),
        }
        places = [self._at(index) for index in (*inputs, number)]
        return self._call(self._kernel(operation.kind, **types), *places, *numbers[type(operation)])

    _add = _multiply = _clamp = _global_sum = _subsample = _pad_channels = _elementwise

    def _reflect(self, operation: ops.Reflect, inputs: tuple[int, ...], number: int) -> list[str]:
        source, out = self.values[inputs[0]], self.values[number]
        mask = self._constant("mask", operation.mask.numpy(), "uint8_t")
        kernel = self._kernel("reflect", **{"in": source.type}, out=out.type)
        places = self._at(inputs[0]), self._at(number)
        return self._call(kernel, *places, mask, operation.total, out.channels, out.positions)

    def _last(self, operation: Any, inputs: tuple[int, ...], number: int) -> list[str]:
        source, out = self.values[inputs[0]], self.values[number]
        if out.positions != 1:
            raise ExportRequestError(f"logits of shape {list(out.shape)} an image; allowed in C is one number a class")
        score, kind = f"int{self.head.score_bits}_t", f"int{self.head.bits}_t"
        weight = self._constant("head", self.head.weight, kind)
        bias = self._constant("bias", self.head.bias, score)
        kernel = self._kernel(operation.kind, **{"in": source.type}, score=score, weight=kind)
        sizes = [out.size, source.size] if isinstance(operation, ops.Classifier) else [out.size]
        return self._call(kernel, self._at(inputs[0]), "scores", weight, bias, *sizes)

    _classifier = _rescale = _last


def _corrected(found: IntegerLine) -> dict[str, NDArray[np.int64]]:
    """Return the accumulators that a line counts wrong, by what becomes of their count."""
    both = {"raised": found.raised, "lowered": found.lowered}
    return {name: values for name, values in both.items() if values.shape[1]}


def _packed(weight: NDArray[np.int8], bits: int) -> NDArray[np.int64]:
    """Return the weights in bytes, the first in the lowest bits."""
    per_byte = 8 // bits
    flat = weight.reshape(-1).astype(np.int64) & (2**bits - 1)
    flat = np.concatenate([flat, np.zeros(-len(flat) % per_byte, np.int64)]).reshape(-1, per_byte)
    packed: NDArray[np.int64] = (flat << (np.arange(per_byte) * bits)).sum(axis=1)
    return packed


def _in_comment(about: Mapping[str, object]) -> str:
    """Return JSON that neither ends a comment nor holds a trigraph."""
    return json.dumps(about).replace("/", "\\/").replace("?", "\\u003f")
