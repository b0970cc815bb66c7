"""Networks as users write them: what they are for, and the shape of their input."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CLASSES = 5


def convolution(inputs: int, outputs: int, stride: int = 1, **options: Any) -> nn.Sequential:
    kernel = options.pop("kernel_size", 3)
    options = {"padding": 1, "bias": False} | options
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, **options), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


class Block(nn.Module):
    """A basic block as torchvision writes it: one ReLU module for both uses, the sum in place."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out += identity
        result: Tensor = self.relu(out)
        return result


class ResNet8(nn.Module):
    """MLPerf Tiny's image classification: three stages of one block."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = convolution(3, 4)
        self.stages = nn.Sequential(Block(4, 4, 1), Block(4, 8, 2), Block(8, 16, 2))
        self.fc = nn.Linear(16, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stages(self.stem(x))
        x = F.avg_pool2d(x, x.shape[2])
        out: Tensor = self.fc(x.view(x.size(0), -1))
        return out


class DsCnn(nn.Module):
    """MLPerf Tiny's keyword spotting: depthwise separable convolutions on a spectrogram [49, 10]."""

    def __init__(self) -> None:
        super().__init__()
        width = 8
        self.first = convolution(1, width, 2, kernel_size=(10, 4), padding=(5, 1))
        self.separable = nn.ModuleList(
            nn.Sequential(convolution(width, width, groups=width), convolution(width, width, kernel_size=1, padding=0))
            for _ in range(4)
        )
        self.drop, self.pool = nn.Dropout(0.4), nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(width, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = F.dropout(self.first(x), 0.2, training=self.training)
        for layer in self.separable:
            x = layer(x)
        x = self.pool(self.drop(x)).flatten(1)
        return F.log_softmax(self.fc(x), dim=1)


def mobilenet_v1() -> nn.Module:
    """MLPerf Tiny's person detection, MobileNetV1 at a quarter of its width."""
    layers: list[nn.Module] = [convolution(3, 8, 2)]
    widths = [8, 16, 32, 32, 64, 64, 128, *[128] * 5, 256, 256]
    for number, (inputs, outputs) in enumerate(pairwise(widths)):
        stride = 2 if number in (1, 3, 5, 11) else 1
        layers += [
            convolution(inputs, inputs, stride, groups=inputs),
            convolution(inputs, outputs, kernel_size=1, padding=0),
        ]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, CLASSES))


def dense(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.ReLU()]


def autoencoder() -> nn.Module:
    """MLPerf Tiny's anomaly detection: fully connected, with a bottleneck of 8."""
    return nn.Sequential(
        *dense(64, 32), *dense(32, 32), *dense(32, 8), *dense(8, 32), *dense(32, 32), nn.Linear(32, 64)
    )


class Ecg(nn.Module):
    """A signal [2, 90]: one-dimensional convolutions and pools, functions for the rest."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv1d(2, 8, 7, stride=2, padding=3), nn.Conv1d(8, 8, 5, padding="same")
        self.bn1, self.bn2 = nn.BatchNorm1d(8), nn.BatchNorm1d(8)
        self.fc1, self.fc2 = nn.Linear(8 * 11, 16), nn.Linear(16, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool1d(F.relu(self.bn1(self.conv1(x))), 2)
        x = F.avg_pool1d(torch.relu(self.bn2(self.conv2(x))), 2)
        out: Tensor = self.fc2(self.fc1(torch.flatten(x, 1)).relu())
        return out


def jets() -> nn.Module:
    """Jet tagging: 16 numbers a jet, batch norm on the input, softmax at the end."""
    layers = [*dense(16, 64), *dense(64, 32), *dense(32, 32)]
    return nn.Sequential(nn.BatchNorm1d(16), *layers, nn.Linear(32, CLASSES), nn.Softmax(dim=1))


def cnv() -> nn.Module:
    """FINN's CNV: convolutions without padding, hard tanh on the input, batch norm behind the classifier."""
    layers: list[nn.Module] = [nn.Hardtanh()]
    for inputs, outputs, pool in [(3, 8, 0), (8, 8, 1), (8, 16, 0), (16, 16, 1), (16, 32, 0), (32, 32, 0)]:
        layers += [nn.Conv2d(inputs, outputs, 3, bias=False), nn.BatchNorm2d(outputs), nn.Hardtanh()]
        layers += [nn.MaxPool2d(2)] if pool else []
    layers += [nn.Flatten()]
    for inputs in (32, 64):
        layers += [nn.Linear(inputs, 64, bias=False), nn.BatchNorm1d(64), nn.Hardtanh()]
    return nn.Sequential(*layers, nn.Linear(64, CLASSES, bias=False), nn.BatchNorm1d(CLASSES))


def fully_connected(width: int) -> nn.Module:
    """FINN's TFC (64) and LFC (1024): the image as a row, dropout, batch norm behind the classifier."""

    def layer(inputs: int) -> list[nn.Module]:
        return [nn.Linear(inputs, width, bias=False), nn.BatchNorm1d(width), nn.Hardtanh(), nn.Dropout(0.2)]

    last = [nn.Linear(width, CLASSES, bias=False), nn.BatchNorm1d(CLASSES)]
    return nn.Sequential(nn.Flatten(), nn.Dropout(0.2), *layer(64), *layer(width), *layer(width), *last)


class BiRealBlock(nn.Module):
    """A Bi-Real block: sign, convolution, batch norm, and a shortcut, pooled and projected if it strides."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module | None = None
        if stride > 1:
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(2, 2), nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        identity = x if self.shortcut is None else self.shortcut(x)
        out: Tensor = self.bn(self.conv(torch.sign(x))) + identity
        return out


def bi_real() -> nn.Module:
    stem = [nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)]
    blocks = [BiRealBlock(8, 8, 1), BiRealBlock(8, 8, 1), BiRealBlock(8, 16, 2), BiRealBlock(16, 16, 1)]
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, CLASSES))


class ClassifierFirst(nn.Module):
    """Registered in another order than it is run in."""

    def __init__(self) -> None:
        super().__init__()
        self.classifier = nn.Linear(8, CLASSES)
        self.second, self.first = convolution(8, 8), convolution(3, 8)

    def forward(self, x: Tensor) -> Tensor:
        x = self.second(F.max_pool2d(self.first(x), 2))
        out: Tensor = self.classifier(x.mean([2, 3]))
        return out


class Tied(nn.Module):
    """Two layers with one weight, and one module that is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.other, self.twice = nn.Linear(16, 16), nn.Linear(16, 16), nn.Linear(16, 16)
        self.other.weight = self.one.weight
        self.norm, self.head = nn.BatchNorm1d(16), nn.Linear(16, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.other(F.relu(self.norm(self.one(x)))))
        for _ in "ab":
            x = torch.tanh(self.twice(x))
        out: Tensor = self.head(x)
        return out


class PaddedConv2d(nn.Conv2d):
    """A convolution that pads as TensorFlow does: what is left over goes behind."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(F.pad(input, (0, 1, 0, 1)))


class ScaledLinear(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight, self.bias) * 0.25


class ShiftedReLU(nn.ReLU):
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input + 0.5)


def subclasses() -> nn.Module:
    return nn.Sequential(
        *(PaddedConv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), ShiftedReLU(), nn.Flatten()),
        *(ScaledLinear(8 * 16, 16), ShiftedReLU(), ScaledLinear(16, 16), nn.Hardtanh(), nn.Linear(16, CLASSES)),
    )


class Gated(nn.Module):
    """Branches of all kinds: squeeze and excitation, a bottleneck, a shuffle, an average in the middle, a conv head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.SiLU()
        )
        self.squeeze, self.excite = nn.Conv2d(8, 4, 1), nn.Conv2d(4, 8, 1)
        self.project = nn.Sequential(nn.Conv2d(8, 8, 1, bias=False), nn.BatchNorm2d(8))
        self.left = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1, groups=4), nn.BatchNorm2d(4), nn.Hardswish())
        self.head = nn.Conv2d(8, CLASSES, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        gate = torch.sigmoid(self.excite(F.relu(self.squeeze(F.adaptive_avg_pool2d(x, 1)))))
        x = x + self.project(gate * x)
        left, right = x.chunk(2, dim=1)
        x = torch.cat([self.left(left), right], dim=1)
        batch, channels, height, width = x.shape
        x = x.view(batch, 2, channels // 2, height, width).transpose(1, 2).reshape(batch, channels, height, width)
        x = F.avg_pool2d(x, 3, stride=2, padding=1)
        return F.relu(self.head(x)).mean((2, 3))


ZOO: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "resnet8": (ResNet8, (3, 16, 16)),
    "ds_cnn": (DsCnn, (1, 49, 10)),
    "mobilenet_v1": (mobilenet_v1, (3, 32, 32)),
    "autoencoder": (autoencoder, (64,)),
    "ecg": (Ecg, (2, 90)),
    "jets": (jets, (16,)),
    "cnv": (cnv, (3, 32, 32)),
    "tfc": (partial(fully_connected, 64), (1, 8, 8)),
    "lfc": (partial(fully_connected, 1024), (1, 8, 8)),
    "bi_real": (bi_real, (3, 8, 8)),
    "classifier first": (ClassifierFirst, (3, 8, 8)),
    "tied": (Tied, (16,)),
    "subclasses": (subclasses, (3, 8, 8)),
    "gated": (Gated, (3, 16, 16)),
}
