"""A hundred ways in which a file can be malformed: cut short, random, nested too deep, or made to run code."""

import io
import json
import os
import pickle
import random
from collections.abc import Iterator
from pathlib import Path

DEEP = 10_000
LONG = "n" * 5_000


class RunsCode:
    """What a pickle must never be loaded for: it makes a file when it is."""

    def __init__(self, trace: Path) -> None:
        self._trace = trace

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch '{self._trace}'",)


def malformed(whole: bytes, trace: Path, count: int = 100) -> Iterator[tuple[str, bytes]]:
    """Yield ``count`` names and contents; loading one as a pickle would make the file ``trace``."""
    made = list(_special(trace))
    draw = random.Random(0)
    made += [(f"random {number}", draw.randbytes(draw.randrange(1, 400))) for number in range(15)]
    for number in range(15):  # random bytes in a file that is whole otherwise
        at, length = draw.randrange(len(whole)), draw.randrange(1, 40)
        changed = whole[:at] + draw.randbytes(length) + whole[at + length :]
        made.append((f"overwritten {number}", changed))
    cuts = list(range(0, len(whole), 64))
    wanted = count - len(made)
    for cut in cuts if len(cuts) <= wanted else sorted(draw.sample(cuts, wanted)):
        made.append((f"cut at {cut}", whole[:cut]))
    while len(made) < count:  # a short file has few 64th bytes
        cut = draw.randrange(len(whole))
        made.append((f"cut at {cut}", whole[:cut]))
    yield from made[:count]


def _special(trace: Path) -> Iterator[tuple[str, bytes]]:
    yield "lists, nested deep", b"[" * DEEP + b"]" * DEEP
    yield "lists, nested and open", b"[" * DEEP
    yield "tables, nested deep", b'{"runs":' * DEEP + b"1" + b"}" * DEEP
    yield "a long name", json.dumps({LONG: LONG, "models": [{"file": LONG}], "runs": [{"params": LONG}]}).encode()
    yield "a number of many digits", b"[" + b"9" * 5_000 + b"]"
    yield "no number", b'[{"epoch": 1, "accuracy": NaN}]'
    yield "null", b"null"
    yield "a list of the wrong things", b'[1, "two", null, [[]], {"epoch": "x", "accuracy": {}}]'
    yield "a table of the wrong things", b'{"runs": [1, null, {"params": 1}], "models": [null], "accuracy": []}'
    yield "not UTF-8", b'{"accuracy": "\xff\xfe"}'
    yield "NUL", b"\0" * 300
    yield "a pickle", pickle.dumps(RunsCode(trace))
    yield "an old pickle", pickle.dumps(RunsCode(trace), protocol=0)
    yield "an archive with a pickle", _archive(trace)
    yield "an old archive", b"PK\x03\x04" + b"\0" * 100


def _archive(trace: Path) -> bytes:
    import torch

    buffer = io.BytesIO()
    torch.save({"weight": RunsCode(trace)}, buffer)
    return buffer.getvalue()
