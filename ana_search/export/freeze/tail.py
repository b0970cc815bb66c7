"""Freezing what comes behind the classifier, in floating point."""

import math

import torch
from torch import nn

from ana_search.export.freeze.call import Call
from ana_search.export.freeze.values import Codes, Real, Value
from ana_search.export.integer import operations as ops
from ana_search.export.integer.tail import PointwiseClassifier, RealFunction, RealMean

__all__ = [
    "batch_norm_of_reals",
    "function_of_reals",
    "log_softmax",
    "mean_of_reals",
    "pointwise_classifier",
    "softmax",
]


def pointwise_classifier(call: Call, value: Value, module: nn.Conv1d | nn.Conv2d | nn.Conv3d) -> Real:
    """A 1 x 1 convolution in floating point that ends the network."""
    kind = type(module).__name__
    is_pointwise = all(each == 1 for each in (*module.kernel_size, *module.stride, module.groups))
    if not is_pointwise or (
        module.padding != "valid" and any(each != 0 for each in module.padding if module.padding != "same")
    ):
        raise call.refuse(
            f"{kind} has no integer form in floating point; allowed is one with a kernel of 1, as the classifier"
        )
    if not isinstance(value, Codes):
        raise call.refuse(f"{kind} has no integer form in floating point but as the classifier, on codes")
    weight = module.weight.flatten(1)
    return Real(
        call.steps.add(PointwiseClassifier(weight, module.bias, value.scale, call.input_shape[2:]), value.index)
    )


def function_of_reals(call: Call, value: Real, name: str) -> Real:
    """An activation function, or softmax, of the classifier's results."""
    return Real(call.steps.add(RealFunction(name), value.index))


def batch_norm_of_reals(call: Call, value: Real, module: nn.modules.batchnorm._BatchNorm) -> Real:
    """Batch norm of the classifier's results: a factor and an offset a class."""
    assert module.running_mean is not None
    assert module.running_var is not None
    scale = 1 / torch.sqrt(module.running_var.double() + module.eps)
    if module.affine:
        scale = scale * module.weight.detach().double()
    offset = -module.running_mean.double() * scale
    if module.affine:
        offset = offset + module.bias.detach().double()
    return Real(call.steps.add(ops.Rescale(scale, offset), value.index))


def mean_of_reals(call: Call, value: Real, *, keep: bool) -> Real:
    """The mean of the classifier's results over all positions."""
    return Real(call.steps.add(RealMean(keep, math.prod(call.input_shape[2:])), value.index))


def softmax(call: Call, value: Value, dim: int | None = None, _stacklevel: int = 3, dtype: object = None) -> Real:
    """Probabilities."""
    return _over_classes(call, value, dim, dtype, "softmax")


def log_softmax(call: Call, value: Value, dim: int | None = None, _stacklevel: int = 3, dtype: object = None) -> Real:
    """Logarithms of probabilities."""
    return _over_classes(call, value, dim, dtype, "log_softmax")


def _over_classes(call: Call, value: Value, dim: int | None, dtype: object, name: str) -> Real:
    rank = len(call.input_shape)
    if not isinstance(value, Real):
        raise call.refuse(
            f"{name} of quantised values has no integer form; allowed is that of the classifier's results"
        )
    if dim is None or dim % rank != 1:
        raise call.refuse(f"dim={dim}; allowed is 1, the classes")
    if dtype not in (None, torch.float32):
        raise call.refuse(f"dtype={dtype!r}; allowed is none")
    return function_of_reals(call, value, name)
