"""Networks around every operation that may be frozen, and what the refusal of each that may not says."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ana_search.ana import QuantActivation, StairFunction, quantise

CHANNELS = 4


class Network(nn.Module):
    """A quantised convolution to [4, 8, 8], ``before`` its activation, ``inside`` after it, and a classifier."""

    def __init__(
        self,
        inside: Callable[[Tensor], Tensor] | None = None,
        before: Callable[[Tensor], Tensor] | None = None,
        convolution: nn.Module | None = None,
        stair: StairFunction | None = None,
        end: Callable[[Tensor], Tensor] | None = None,
        head: nn.Module | None = None,
    ) -> None:
        super().__init__()
        stair = stair or StairFunction.for_network(3)
        plain = nn.Sequential(convolution or nn.Conv2d(2, CHANNELS, 3, padding=1, bias=False), nn.Linear(1, 1))
        self.convolution = quantise(plain, StairFunction.for_network(3), stair).get_submodule("0")
        self.norm, self.activation = nn.BatchNorm2d(CHANNELS), QuantActivation(stair)
        self.inside, self.before, self.end = inside, before, end
        self.head = head or nn.LazyLinear(5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.convolution(x))
        x = self.activation(x if self.before is None else self.before(x))
        x = x if self.inside is None else self.inside(x)
        x = self.head(torch.flatten(x, 1))
        return x if self.end is None else self.end(x)


def sized(x: Tensor) -> Tensor:
    return F.max_pool2d(x, x.size()[2:])


def viewed(x: Tensor) -> Tensor:
    return x.view(x.size(0), x.size(1) * x.size(2) * x.size(3))


def added_in_place(x: Tensor) -> Tensor:
    y = F.max_pool2d(x, 3, 1, 1)
    y += x
    return y


def changed_elsewhere(x: Tensor) -> Tensor:
    y = F.max_pool2d(x, 3, 1, 1)
    z = y.add_(x)
    return z + y


def relu_elsewhere(x: Tensor) -> Tensor:
    return F.relu(x, inplace=True) + x


class Hooked(nn.ReLU):
    pass


def hooked() -> nn.Module:
    module = nn.MaxPool2d(2)
    module.register_forward_hook(lambda *_: _[2] * 2)
    return module


class Offset(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.offset = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.offset


class RepeatedMaxima(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.adaptive_max_pool2d(F.max_pool2d(x, (4, 8)), (2, 5))


class Head(Network):
    """A head as SqueezeNet's: a convolution, ReLU, and the mean over all positions."""

    def __init__(self) -> None:
        super().__init__(head=nn.Conv2d(CHANNELS, 5, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = self.head(self.activation(self.norm(self.convolution(x))))
        return torch.flatten(F.adaptive_avg_pool2d(F.relu(x), 1), 1)


def shuffled(x: Tensor) -> Tensor:
    batch, channels, height, width = x.size()
    return x.view(batch, 2, channels // 2, height, width).transpose(1, 2).contiguous().view(batch, -1, height, width)


TERNARY = StairFunction.ternary()
UNSIGNED = StairFunction.from_bits(3, signed=False, quantum=0.25)
# What to build, and either nothing (it is exact) or what the refusal says.
TABLE: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "plain": (Network, ""),
    # Functions before the quantiser.
    "hardtanh(0, 6)": (lambda: Network(before=lambda x: F.hardtanh(x, 0.0, 6.0)), ""),
    "hardtanh by name": (lambda: Network(before=lambda x: F.hardtanh(x, max_val=0.5, min_val=-0.25)), ""),
    "Hardtanh(0, 0.4)": (lambda: Network(before=nn.Hardtanh(0.0, 0.4)), ""),
    "ReLU": (lambda: Network(before=nn.ReLU(inplace=True)), ""),
    "relu_": (lambda: Network(before=lambda x: x.relu_()), ""),
    "input=": (lambda: Network(before=lambda x: F.relu(input=x)), ""),
    "ReLU6": (lambda: Network(before=nn.ReLU6()), ""),
    "tanh": (lambda: Network(before=torch.tanh), ""),
    "sigmoid method": (lambda: Network(before=lambda x: x.sigmoid()), ""),
    "LeakyReLU(0.3)": (lambda: Network(before=nn.LeakyReLU(0.3)), ""),
    "leaky_relu 0.2": (lambda: Network(before=lambda x: F.leaky_relu(x, 0.2)), ""),
    "LeakyReLU(-0.3)": (lambda: Network(before=nn.LeakyReLU(-0.3)), "negative_slope=-0.3: it must rise"),
    "leaky_relu -0.3": (lambda: Network(before=lambda x: F.leaky_relu(x, -0.3)), "negative_slope=-0.3"),
    "relu elsewhere": (lambda: Network(before=relu_elsewhere), "works in place on a value that is read elsewhere"),
    "PReLU": (lambda: Network(before=nn.PReLU()), "PReLU has no integer form"),
    "GELU": (lambda: Network(before=F.gelu), "not monotonic must be quantised at once, with levels that are not neg"),
    "GELU, unsigned": (lambda: Network(before=nn.GELU("tanh"), stair=UNSIGNED), ""),
    "gelu, tanh": (lambda: Network(before=lambda x: F.gelu(x, approximate="tanh"), stair=UNSIGNED), ""),
    "silu": (lambda: Network(before=F.silu, stair=UNSIGNED), ""),
    "SiLU, then pool": (lambda: Network(before=nn.Sequential(nn.SiLU(), nn.MaxPool2d(2)), stair=UNSIGNED), "at once"),
    "SiLU, then norm": (lambda: Network(before=nn.Sequential(nn.SiLU(), nn.BatchNorm2d(4)), stair=UNSIGNED), "at once"),
    "hardswish": (lambda: Network(before=F.hardswish, stair=UNSIGNED), ""),
    "Mish": (lambda: Network(before=nn.Mish(), stair=UNSIGNED), ""),
    "Hardsigmoid": (lambda: Network(before=nn.Hardsigmoid(), stair=UNSIGNED), ""),
    "abs": (lambda: Network(before=torch.abs), "abs.*no integer form"),
    "times 2": (lambda: Network(before=lambda x: x * 2), ""),
    "times -0.3": (lambda: Network(before=lambda x: -0.3 * x), ""),
    "plus 1": (lambda: Network(before=lambda x: x + 1), ""),
    "0.1 plus": (lambda: Network(before=lambda x: 0.1 + x), ""),
    "plus a parameter": (lambda: Network(before=Offset()), "parameters outside layers have no integer form"),
    # Dropout.
    "dropout": (lambda: Network(inside=F.dropout), "training=True drops values in evaluation too"),
    "dropout, eval": (lambda: Network(inside=lambda x: F.dropout(x, 0.5, False)), ""),
    "dropout, p 0": (lambda: Network(inside=lambda x: F.dropout(x, 0.0)), ""),
    "Dropout2d": (lambda: Network(inside=nn.Dropout2d(0.3)), ""),
    "AlphaDropout": (lambda: Network(inside=nn.AlphaDropout(0.3)), ""),
    "dropout2d": (lambda: Network(inside=lambda x: F.dropout2d(x, training=False)), "dropout2d.*no integer form"),
    # Batch norm.
    "batch norm, no statistics": (
        lambda: Network(before=nn.BatchNorm2d(CHANNELS, track_running_stats=False)),
        "without running statistics its result depends on the other images",
    ),
    "batch norm, not affine": (lambda: Network(before=nn.BatchNorm2d(CHANNELS, affine=False)), ""),
    "batch norm, eps": (lambda: Network(before=nn.BatchNorm2d(CHANNELS, eps=0.7)), ""),
    "GroupNorm": (lambda: Network(before=nn.GroupNorm(2, CHANNELS)), "GroupNorm has no integer form"),
    "InstanceNorm": (lambda: Network(before=nn.InstanceNorm2d(CHANNELS)), "InstanceNorm2d has no integer form"),
    # Max-pooling.
    "max_pool2d of the size": (lambda: Network(inside=sized), ""),
    "max_pool2d, stride None": (lambda: Network(inside=lambda x: F.max_pool2d(x, 3, None)), ""),
    "max_pool2d, all": (lambda: Network(inside=lambda x: F.max_pool2d(x, 3, 2, 1, 2, True)), ""),
    "max_pool2d by name": (lambda: Network(inside=lambda x: F.max_pool2d(x, kernel_size=(2, 3), stride=(2, 1))), ""),
    "MaxPool2d, ceil": (lambda: Network(inside=nn.MaxPool2d(3, 2, ceil_mode=True)), ""),
    "MaxPool2d, ceil and padding": (lambda: Network(inside=nn.MaxPool2d(3, 3, 1, ceil_mode=True)), ""),
    "MaxPool2d, ceil, last window in the padding": (lambda: Network(inside=nn.MaxPool2d(2, 4, 1, ceil_mode=True)), ""),
    "MaxPool2d, dilation": (lambda: Network(inside=nn.MaxPool2d(2, 1, dilation=3)), ""),
    "MaxPool2d before": (lambda: Network(before=nn.MaxPool2d(3, 2, 1)), ""),
    "MaxPool2d, indices": (
        lambda: Network(inside=lambda x: F.max_pool2d(x, 2, return_indices=True)[0]),
        "max_pool2d_with_indices|return_indices=True",
    ),
    "AdaptiveMaxPool2d": (lambda: Network(inside=nn.AdaptiveMaxPool2d(4)), ""),
    "AdaptiveMaxPool2d(3)": (lambda: Network(inside=nn.AdaptiveMaxPool2d(3)), "windows of .* are not alike"),
    "AdaptiveMaxPool2d(12)": (lambda: Network(inside=RepeatedMaxima()), ""),
    "FractionalMaxPool2d": (lambda: Network(inside=nn.FractionalMaxPool2d(2, 4)), "cannot be exported"),
    # Averages.
    "AvgPool2d(8)": (lambda: Network(inside=nn.AvgPool2d(8)), ""),
    "AvgPool2d(5)": (lambda: Network(inside=nn.AvgPool2d(5)), ""),
    "AvgPool2d(3, 2, 1)": (lambda: Network(inside=nn.AvgPool2d(3, 2, 1)), ""),
    "AvgPool2d, not counting": (
        lambda: Network(inside=nn.AvgPool2d(3, 2, 1, count_include_pad=False)),
        "count_include_pad=False divides by another number",
    ),
    "AvgPool2d, ceil": (lambda: Network(inside=nn.AvgPool2d(3, 2, ceil_mode=True)), "ceil_mode=True adds windows"),
    "AvgPool2d, ceil without effect": (lambda: Network(inside=nn.AvgPool2d(2, 2, ceil_mode=True)), ""),
    "AvgPool2d, divisor": (lambda: Network(inside=nn.AvgPool2d(3, divisor_override=7)), ""),
    "avg_pool2d, divisor": (lambda: Network(inside=lambda x: F.avg_pool2d(x, 8, divisor_override=3)), ""),
    "avg_pool2d of the size": (lambda: Network(inside=lambda x: F.avg_pool2d(x, x.shape[2:])), ""),
    "AdaptiveAvgPool2d(1)": (lambda: Network(inside=nn.AdaptiveAvgPool2d(1)), ""),
    "AdaptiveAvgPool2d(4, None)": (lambda: Network(inside=nn.AdaptiveAvgPool2d((4, None))), ""),
    "AdaptiveAvgPool2d(3)": (lambda: Network(inside=nn.AdaptiveAvgPool2d(3)), "windows of .* are not alike"),
    "AdaptiveAvgPool2d, repeated": (
        lambda: Network(inside=nn.Sequential(nn.MaxPool2d(8), nn.AdaptiveAvgPool2d(7))),
        "",
    ),
    "AdaptiveAvgPool2d, overlapping": (lambda: Network(inside=nn.AdaptiveAvgPool2d((8, 1))), ""),
    "adaptive_avg_pool2d(8)": (lambda: Network(inside=lambda x: F.adaptive_avg_pool2d(x, 8)), ""),
    "mean": (lambda: Network(inside=lambda x: x.mean((2, 3))), ""),
    "mean, keepdim": (lambda: Network(inside=lambda x: torch.mean(x, dim=(-1, -2), keepdim=True)), ""),
    "mean of channels": (lambda: Network(inside=lambda x: x.mean(1)), "a mean over dimensions 1"),
    "mean of all": (lambda: Network(inside=lambda x: x + x.mean()), "mean"),
    "mean, double": (lambda: Network(inside=lambda x: x.mean((2, 3), dtype=torch.float64).float()), "float64"),
    "AvgPool2d before": (lambda: Network(before=nn.AvgPool2d(2)), "only averages of quantised values"),
    "LPPool2d": (lambda: Network(inside=nn.LPPool2d(2, 2)), "cannot be exported"),
    # Sums.
    "add": (lambda: Network(inside=lambda x: torch.add(x, F.max_pool2d(x, 3, 1, 1))), ""),
    "add, other=": (lambda: Network(inside=lambda x: torch.add(x, other=x)), ""),
    "add, alpha": (lambda: Network(inside=lambda x: torch.add(x, x, alpha=2)), "alpha=2; allowed is 1"),
    "add method, alpha": (lambda: Network(inside=lambda x: x.add(x, alpha=0.5)), "alpha=0.5; allowed is 1"),
    "in place": (lambda: Network(inside=added_in_place), ""),
    "in place, read elsewhere": (lambda: Network(inside=changed_elsewhere), "works in place on a value"),
    "broadcast": (lambda: Network(inside=lambda x: x + F.adaptive_max_pool2d(x, 1)), "both terms must have one shape"),
    "sub": (lambda: Network(inside=lambda x: x - x), "sub.*no integer form"),
    "cat": (lambda: Network(inside=lambda x: torch.cat([x, F.max_pool2d(x, 3, 1, 1)], 1)), ""),
    "cat of rows": (lambda: Network(inside=lambda x: torch.cat((x, x), 3)), "dim=3; allowed is 1"),
    "cat of sums": (lambda: Network(inside=lambda x: torch.cat([x + x, x], dim=-3)), ""),
    "cat of averages": (
        lambda: Network(inside=lambda x: torch.cat([F.avg_pool2d(x, 2, 2), F.max_pool2d(x, 2)], 1)),
        "",
    ),
    "cat of thirds": (lambda: Network(inside=lambda x: torch.cat([F.avg_pool2d(x, 3, 1, 1), x], 1)), ""),
    "cat of unequal averages": (
        lambda: Network(inside=lambda x: torch.cat([F.avg_pool2d(x, 3, 1, 1), F.avg_pool2d(x, 5, 1, 2)], 1)),
        "each must be a multiple of the least",
    ),
    "chunk": (lambda: Network(inside=lambda x: x.chunk(2, dim=1)[1]), ""),
    "chunks of rows": (lambda: Network(inside=lambda x: torch.chunk(x, 2, 2)[0]), "dim=2; allowed is 1"),
    "split": (lambda: Network(inside=lambda x: torch.cat(torch.split(x, [1, 3], 1)[::-1], 1)), ""),
    "split by size": (lambda: Network(inside=lambda x: x.split(3, 1)[1]), ""),
    "channels": (lambda: Network(inside=lambda x: x[:, 1:-1]), ""),
    "every second channel": (lambda: Network(inside=lambda x: x[:, ::2]), "allowed is x"),
    "product": (lambda: Network(inside=lambda x: x * F.max_pool2d(x, 3, 1, 1)), ""),
    "gate": (lambda: Network(inside=lambda x: F.adaptive_max_pool2d(x, 1) * x), ""),
    "gate of averages": (lambda: Network(inside=lambda x: x * F.adaptive_avg_pool2d(x, 1)), ""),
    "gate of rows": (lambda: Network(inside=lambda x: x * F.max_pool2d(x, (1, 8))), "one of them one number a channel"),
    # Shapes.
    "view": (lambda: Network(inside=viewed), ""),
    "view(-1, 256)": (lambda: Network(inside=lambda x: x.view(-1, 256)), ""),
    "view(-1, 64)": (lambda: Network(inside=lambda x: x.view(-1, 64)), "one result an image, whatever the batch"),
    "view(2, -1)": (lambda: Network(inside=lambda x: x.view(2, -1)), "any number of images|whatever the batch"),
    "reshape to 3": (lambda: Network(inside=lambda x: x.reshape(x.shape[0], 4, 64)), ""),
    "flatten(2)": (lambda: Network(inside=lambda x: torch.flatten(x, 2)), ""),
    "Flatten(1, 2)": (lambda: Network(inside=nn.Flatten(1, 2)), ""),
    "channel shuffle": (lambda: Network(inside=shuffled), ""),
    "Unflatten": (lambda: Network(inside=lambda x: x.unflatten(1, (2, 2)).flatten(1)), ""),
    "flatten(start_dim=)": (lambda: Network(inside=lambda x: x.flatten(start_dim=1)), ""),
    "transpose": (lambda: Network(inside=lambda x: x.transpose(1, 2)), ""),
    "permute": (lambda: Network(inside=lambda x: x.permute(0, 2, 3, -3)), ""),
    "permute by a tuple": (lambda: Network(inside=lambda x: torch.permute(x, (0, 3, 1, 2))), ""),
    "permute, images last": (lambda: Network(inside=lambda x: x.permute(1, 2, 3, 0)), "any number of images"),
    "squeeze": (lambda: Network(inside=lambda x: F.max_pool2d(x, 8).squeeze()), "without dim a batch of one image"),
    "squeeze(3)": (lambda: Network(inside=lambda x: F.max_pool2d(x, 8).squeeze(3)), ""),
    "unsqueeze": (lambda: Network(inside=lambda x: x.unsqueeze(2)), ""),
    "flip": (lambda: Network(inside=lambda x: x.flip(3)), "flip.*no integer form"),
    "first image": (lambda: Network(inside=lambda x: x + x[:1]), "one result an image"),
    "every second row": (lambda: Network(inside=lambda x: x[:, :, ::2, ::2]), ""),
    "every second row alone": (lambda: Network(inside=lambda x: x[:, :, ::2, :]), r"allowed is x\[:, :, ::s, ::s\]"),
    "from the second row": (lambda: Network(inside=lambda x: x[:, :, 1::2, 1::2]), r"allowed is x\[:, :, ::s, ::s\]"),
    "pad channels": (lambda: Network(inside=lambda x: F.pad(x, (0, 0, 0, 0, 1, 2))), ""),
    "pad channels with 1": (lambda: Network(inside=lambda x: F.pad(x, (0, 0, 0, 0, 1, 2), value=1.0)), "adding zeros"),
    "pad rows": (lambda: Network(inside=lambda x: F.pad(x, (1, 2, 0, 3))), ""),
    "pad columns": (lambda: Network(inside=lambda x: F.pad(x, [2, 0])), ""),
    "pad, cut": (lambda: Network(inside=lambda x: F.pad(x, (-1, 1))), "allowed is adding zeros"),
    "pad, reflect": (lambda: Network(inside=lambda x: F.pad(x, (1, 1, 1, 1), "reflect")), "allowed is adding zeros"),
    "pad all": (lambda: Network(inside=lambda x: F.pad(x, (1, 1, 0, 0, 1, 1))), "one after the other"),
    "ZeroPad2d": (lambda: Network(inside=nn.ZeroPad2d((0, 1, 2, 1))), ""),
    "ConstantPad2d": (lambda: Network(inside=nn.ConstantPad2d(1, 0.5)), "ConstantPad2d has no integer form"),
    "Upsample": (lambda: Network(inside=nn.Upsample(scale_factor=2)), "Upsample has no integer form|interpolate"),
    "double": (lambda: Network(inside=lambda x: x.double().float()), "double"),
    # Maps.
    "conv, bias": (lambda: Network(convolution=nn.Conv2d(2, 4, 3, padding=1)), ""),
    "conv, all": (lambda: Network(convolution=nn.Conv2d(2, 4, (3, 2), (2, 1), (2, 0), (1, 2), groups=2)), ""),
    "conv, same": (lambda: Network(convolution=nn.Conv2d(2, 4, 3, padding="same", dilation=2)), ""),
    "conv, valid": (lambda: Network(convolution=nn.Conv2d(2, 4, 3, padding="valid")), ""),
    "conv, same and even": (lambda: Network(convolution=nn.Conv2d(2, 4, (2, 3), padding="same")), ""),
    "conv, same and dilated": (lambda: Network(convolution=nn.Conv2d(2, 4, 4, padding="same", dilation=3)), ""),
    "conv, circular": (lambda: Network(convolution=nn.Conv2d(2, 4, 3, padding=1, padding_mode="circular")), "circular"),
    "conv, circular without padding": (lambda: Network(convolution=nn.Conv2d(2, 4, 3, padding_mode="circular")), ""),
    "float conv": (lambda: Network(inside=nn.Conv2d(4, 4, 3)), "Conv2d has no integer form"),
    "float conv within": (
        lambda: Network(inside=nn.Conv2d(4, 4, 1)),
        "linear layer is exported only as the classifier",
    ),
    "transposed conv": (lambda: Network(inside=nn.ConvTranspose2d(4, 4, 1)), "ConvTranspose2d has no integer form"),
    "head without bias": (lambda: Network(head=nn.Linear(256, 5, bias=False)), ""),
    "head on rows": (lambda: Network(inside=nn.Linear(8, 5)), r"values of shape \[4, 8, 8\]; allowed are \[features\]"),
    # Ends.
    "softmax": (lambda: Network(end=nn.Softmax(dim=1)), ""),
    "softmax, no dim": (lambda: Network(end=lambda x: torch.softmax(x, 0)), "dim=0; allowed is 1"),
    "softmax within": (lambda: Network(inside=nn.Softmax(dim=1)), "allowed is that of the classifier's results"),
    "log_softmax": (lambda: Network(end=lambda x: F.log_softmax(x, dim=-1)), ""),
    "x.log_softmax": (lambda: Network(end=lambda x: x.log_softmax(1)), ""),
    "sigmoid at the end": (lambda: Network(end=torch.sigmoid), ""),
    "dropout at the end": (lambda: Network(end=nn.Dropout()), ""),
    "convolutional head": (lambda: Head(), ""),
    "argmax": (lambda: Network(end=lambda x: x.argmax(1)), "argmax"),
    "two outputs": (lambda: Network(end=lambda x: (x, x)), "must return one tensor"),
    "batch norm at the end": (lambda: Network(end=nn.BatchNorm1d(5)), ""),
    "plain batch norm at the end": (lambda: Network(end=nn.BatchNorm1d(5, affine=False)), ""),
    # Hooks change what a module gives, unseen by the graph.
    "hook": (lambda: Network(inside=hooked()), "its hook .* may change what it computes"),
    "subclass": (lambda: Network(before=Hooked()), ""),
}
