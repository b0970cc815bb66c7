"""200 random networks with accumulators on thresholds: not one code differs, whatever computes it."""

import pytest
import torch

from ana_search.errors import ExportRequestError
from ana_search.export import freeze
from ana_search.export.formats.onnx import to_onnx
from ana_search.export.formats.qdq import to_qdq
from ana_search.export.formats.qonnx import to_qonnx
from ana_search.export.integer.operations import SideThresholds
from tests.export import computing
from tests.export.on_thresholds import IMAGES, make_case

GROUPS, EACH = 10, 20


# Half of them in the fast suite: all are alike.
@pytest.mark.parametrize(
    "group", [pytest.param(group, marks=[pytest.mark.slow] * (group % 2)) for group in range(GROUPS)]
)
def test_no_code_differs(group: int) -> None:
    torch.set_num_threads(1)
    in_qonnx = [check(seed) for seed in range(EACH * group, EACH * (group + 1))]
    assert sum(in_qonnx) >= EACH - 2


def check(seed: int) -> bool:
    """Check one network; return whether QONNX has nodes for it."""
    case = make_case(seed)
    pixels, encode = case.pixels, case.coding
    assert case.ties > 0
    assert encode.table is not None
    network = freeze(case.network, encode.table, encode.scale, tuple(pixels.shape[1:]))
    wanted = computing.trained(case.network, encode, pixels, IMAGES)
    one = computing.trained(case.network, encode, pixels[:8], 1)
    computing.assert_same(computing.frozen(network, pixels[:8], 1), one, f"network {seed}, batch 1")
    last = torch.channels_last
    moved = case.network.to(memory_format=last)
    model, quantised = to_onnx(network), to_qdq(network)
    for name, found in {
        "channels last": computing.trained(moved, lambda x: encode(x).contiguous(memory_format=last), pixels, IMAGES),
        "frozen": computing.frozen(network, pixels, IMAGES),
        "onnx": computing.in_onnxruntime(model, pixels, IMAGES, optimise=False),
        "onnx, optimised": computing.in_onnxruntime(model, pixels, IMAGES, optimise=True),
        "qdq": computing.in_onnxruntime(quantised, pixels, IMAGES, optimise=False),
        "qdq, optimised": computing.in_onnxruntime(quantised, pixels, IMAGES, optimise=True),
    }.items():
        computing.assert_same(found, wanted, f"network {seed}, {name}")
    if seed % 5 == 0:
        computing.assert_same_codes(computing.in_c(network, pixels), wanted, f"network {seed}, C")
    if any(isinstance(step.operation, SideThresholds) for step in network.steps):
        with pytest.raises(ExportRequestError, match="QONNX has no node for SideThresholds"):
            to_qonnx(network)
        return False
    computing.assert_same(computing.in_qonnx(to_qonnx(network), pixels, IMAGES), wanted, f"network {seed}, qonnx")
    return True
