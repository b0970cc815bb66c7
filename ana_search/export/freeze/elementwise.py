"""Freezing what is computed element by element: kept as functions of the accumulators until a quantiser turns them
into thresholds. The network's own functions are evaluated, so that none of their settings can be overlooked.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from ana_search.export.freeze.call import Call
from ana_search.export.freeze.values import Pending, Value

__all__ = ["batch_norm", "bounded", "dropout", "leaky", "monotonic", "same"]


def same(call: Call, value: Any) -> Any:
    """Whatever gives back what it reads."""
    return value


def dropout(call: Call, value: Value, p: float = 0.5, training: bool = True, inplace: bool = False) -> Value:
    """Dropout, which in evaluation is the identity; ``F.dropout`` drops unless it is told ``training=False``."""
    if training and p > 0:
        raise call.refuse(
            f"training={training!r} drops values in evaluation too; allowed is training=self.training, or nn.Dropout"
        )
    return value


def batch_norm(call: Call, value: Value, module: nn.modules.batchnorm._BatchNorm) -> Pending:
    """Batch norm with the statistics of training, evaluated by the module itself."""
    if module.running_mean is None or module.running_var is None:
        raise call.refuse(
            "without running statistics its result depends on the other images of a batch; "
            "allowed is track_running_stats=True"
        )
    return call.pending(value).then(module, affine=True)


def monotonic(function: Callable[[Tensor], Tensor]) -> Callable[..., Pending]:
    """Return the handler of a rising function without settings."""

    def handler(call: Call, value: Value, inplace: bool = False) -> Pending:
        call.in_place(inplace)
        return call.pending(value).then(function)

    return handler


def bounded(call: Call, value: Value, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Pending:
    """Hard tanh: the value in [``min_val``, ``max_val``]."""
    call.in_place(inplace)
    if not min_val < max_val:
        raise call.refuse(f"min_val={min_val!r}, max_val={max_val!r}; allowed is min_val < max_val")
    return call.pending(value).then(lambda x: functional.hardtanh(x, min_val, max_val))


def leaky(call: Call, value: Value, negative_slope: float = 0.01, inplace: bool = False) -> Pending:
    """Leaky ReLU."""
    call.in_place(inplace)
    if not negative_slope >= 0:
        raise call.refuse(f"negative_slope={negative_slope!r}: it must rise; allowed is negative_slope >= 0")
    return call.pending(value).then(lambda x: functional.leaky_relu(x, negative_slope))
