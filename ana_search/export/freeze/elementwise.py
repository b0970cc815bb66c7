"""Freezing what is computed element by element: kept as functions of the accumulators until a quantiser turns them
into thresholds. The network's own functions are evaluated, so that none of their settings can be overlooked.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from ana_search.export.freeze.call import Call
from ana_search.export.freeze.tail import batch_norm_of_reals, function_of_reals
from ana_search.export.freeze.values import Pending, Real, Value

__all__ = ["batch_norm", "bounded", "dipping", "dropout", "gelu", "leaky", "monotonic", "same", "stochastic_depth"]


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


def stochastic_depth(call: Call, value: Value, p: float, mode: str, training: bool = True) -> Value:
    """torchvision's stochastic depth, which in evaluation is the identity."""
    return dropout(call, value, p, training)


def batch_norm(call: Call, value: Value, module: nn.modules.batchnorm._BatchNorm) -> Pending | Real:
    """Batch norm with the statistics of training, evaluated by the module itself."""
    if module.running_mean is None or module.running_var is None:
        raise call.refuse(
            "without running statistics its result depends on the other images of a batch; "
            "allowed is track_running_stats=True"
        )
    if isinstance(value, Real):
        return batch_norm_of_reals(call, value, module)
    return call.pending(value).then(module, affine=True)


def monotonic(function: Callable[[Tensor], Tensor], of_reals: str = "") -> Callable[..., Pending | Real]:
    """Return the handler of a rising function without settings; ``of_reals`` is its name behind the classifier."""

    def handler(call: Call, value: Value, inplace: bool = False) -> Pending | Real:
        call.in_place(inplace)
        if isinstance(value, Real) and of_reals:
            return function_of_reals(call, value, of_reals)
        return call.pending(value).then(function)

    return handler


def dipping(function: Callable[[Tensor], Tensor]) -> Callable[..., Pending]:
    """Return the handler of a function that rises above 0 and is negative below: a quantiser must not see the dip."""

    def handler(call: Call, value: Value, inplace: bool = False) -> Pending:
        call.in_place(inplace)
        return call.pending(value).then(function, dips=True)

    return handler


def gelu(call: Call, value: Value, approximate: str = "none") -> Pending:
    """GELU, exact or by way of tanh."""
    return call.pending(value).then(lambda x: functional.gelu(x, approximate=approximate), dips=True)


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
