"""The training plan: everything that a training run needs, and nothing else.

A plan is plain data. It names its data set, network, layers and settings, serialises to JSON and has a
stable hash; no Optuna and no Ray is needed to train it.
"""

import dataclasses
import hashlib
from dataclasses import dataclass
from typing import Literal

from pydantic import TypeAdapter

from ana_search.ana.annealer import LayerSchedule
from ana_search.ana.scale import ScaleKind

__all__ = [
    "Argument",
    "Coding",
    "Crop",
    "DataPlan",
    "LayerPlan",
    "NetworkPlan",
    "Reference",
    "TrainingPlan",
    "TrainingSettings",
    "compress",
]

Bits = int | Literal["ternary"]
Coding = Literal["normalised", "pixels", "fitted"]
"""What the codes of an 8-bit input are (see `DataPlan`)."""
Crop = Literal["centre", "none", "pad"]
"""How an image of another shape is brought to a size: its centre is cut out, it is squeezed, or it gets a border."""


@dataclass(frozen=True)
class DataPlan:
    """Which images, and how they are split and coded.

    ``validation`` is the fraction of the training images that search sees; with ``folds`` set, fold number
    ``fold`` of ``folds`` is the validation part instead, each class in proportion if ``stratified``, else by a plain
    permutation. ``train_size`` limits the images used (a fixed stratified sample, before the split). ``augment``
    names what changes the training images, joined by ``+`` (see `ana_search.data.AUGMENTATIONS`); ``padding`` fills the
    border of those that are moved.

    Pixels are normalised by the mean and deviation of each channel, or by ``"pooled"`` ones of all channels.
    ``input_bits`` is 8 or ``"float"``; ``input_coding`` says what the 8-bit codes are: those of the normalised pixels
    (dyadic and zero-symmetric), those of the ``"pixels"`` themselves, less 128, each of whose 256 values keeps its own,
    or ``"fitted"`` to the range of every channel; ``None`` is what the data set does by itself.

    A folder of images is brought to ``size`` (height, width) by ``crop``, and to so many ``channels``; ``None`` leaves
    its images as they are, which must then be alike.
    """

    name: str
    root: str | None = None
    train_size: int | None = None
    validation: float = 0.2
    folds: int | None = None
    fold: int | None = None
    stratified: bool = True
    augment: str = "none"
    padding: Literal["reflect", "zeros"] = "reflect"
    normalise: Literal["channels", "pooled"] = "channels"
    input_bits: Literal[8, "float"] = 8
    input_coding: Coding | None = None
    size: tuple[int, int] | None = None
    crop: Crop = "centre"
    channels: Literal[1, 3] | None = None

    @property
    def loaded(self) -> "DataPlan":
        """What of the plan decides which data set is loaded: all but what training does to its images."""
        return dataclasses.replace(self, augment="none", padding="reflect")


Argument = bool | int | float | str
"""What a further argument of a network's function may be."""


@dataclass(frozen=True)
class NetworkPlan:
    """Which network, its width (channels of the first map; ``None`` is the network's own), and its classifier.

    ``name`` is one of ours, an installed one, ``torchvision:NAME``, or ``FILE:FUNCTION`` with the file's absolute path.
    ``arguments`` are further ones of its function, by name.

    The maps that stay in floating point start from PyTorch's uniform weights, or from ``"normal"`` ones of deviation
    0.01 with a bias of 0 (as VGG's: Simonyan and Zisserman, ICLR 2015, section 3.1). ``keep_first`` and ``keep_last``
    say that the first and the last map are among them. ``signed`` says whether quantised activations have negative
    levels; ``None``: as the functions that they replace.
    """

    name: str
    width: int | None = None
    classifier: Literal["uniform", "normal"] = "uniform"
    arguments: tuple[tuple[str, Argument], ...] = ()
    keep_first: bool = False
    keep_last: bool = True
    signed: bool | None = None


@dataclass(frozen=True)
class LayerPlan:
    """One layer: a quantised linear map and the quantised activation that follows it.

    The kinds of scales are those of `ana_search.ana.scale.ScaleKind`; ``scale_per`` says whether the weights have one,
    or each output channel its own.
    """

    weight_bits: Bits
    activation_bits: Bits
    weights: LayerSchedule
    activations: LayerSchedule
    weight_scale: ScaleKind = "fixed"
    activation_scale: ScaleKind = "fixed"
    scale_per: Literal["tensor", "channel"] = "tensor"


@dataclass(frozen=True)
class TrainingSettings:
    """The optimiser's settings, and what is done for accuracy besides.

    ``anneal`` is the fraction of all steps over which noise is annealed. ``last_batch`` says what becomes of the images
    that an epoch has left over after its last whole batch.

    The learning rate follows ``schedule`` (see `ana_search.training.learning_rate`): ``lr_drop`` is the last fraction
    of the steps that takes a tenth of it, ``warmup`` the first fraction over which it rises from 0. ``clip`` limits
    the norm of the gradient of all parameters together. ``weight_decay_of`` says whether all parameters decay, or the
    weights of linear maps alone, not biases and batch norm.

    With ``average = "ema"`` the network that is validated and kept has the exponential moving average of the
    parameters, which reaches back over ``average_span`` of all steps. With ``recalibrate = "batch_norm"`` the
    statistics of batch norm are measured anew, without noise, before each validation.

    With ``teacher = "float"`` the same network in floating point is trained first, as `TrainingPlan.reference` says,
    and its answers, softened by ``temperature``, have the share ``distillation`` in the loss (see
    `ana_search.training.loss`).

    ``start`` says what the weights are at first: drawn at ``"random"``, those of the same network trained in
    ``"float"`` (the one that a teacher would be), or those of a file, by its absolute path. Trained weights get the
    scales that fit them (see `ana_search.ana.quantise`).
    """

    epochs: int
    anneal: float = 0.8
    batch_size: int = 64
    last_batch: Literal["drop", "keep"] = "drop"
    optimiser: Literal["adam", "adamw", "sgd"] = "adam"
    learning_rate: float = 3e-3
    weight_decay: float = 0.0
    weight_decay_of: Literal["all", "weights"] = "all"
    schedule: Literal["drop", "cosine", "one_cycle"] = "drop"
    lr_drop: float = 0.1
    warmup: float = 0.0
    label_smoothing: float = 0.0
    clip: float | Literal["none"] = "none"
    average: Literal["none", "ema"] = "none"
    average_span: float = 0.02
    recalibrate: Literal["none", "batch_norm"] = "none"
    teacher: Literal["none", "float"] = "none"
    distillation: float = 0.5
    temperature: float = 4.0
    start: str = "random"
    precision: Literal["float32", "bfloat16"] = "float32"
    compile: bool = False


@dataclass(frozen=True)
class Reference:
    """How the network in floating point is trained that a run learns or starts from, and what is done to its images."""

    training: TrainingSettings
    augment: str = "none"


@dataclass(frozen=True)
class TrainingPlan:
    """One training run, complete: the same plan trains to the same accuracy on the same kind of machine.

    Without ``layers`` the network is trained in floating point. ``reference`` says how the network in floating point is
    trained that this run learns or starts from; ``None`` where there is none.
    """

    data: DataPlan
    network: NetworkPlan
    layers: tuple[LayerPlan, ...]
    training: TrainingSettings
    seed: int
    reference: Reference | None = None

    @property
    def float_plan(self) -> "TrainingPlan | None":
        """The plan of the network in floating point that this run learns or starts from: same data, network, seed."""
        if self.reference is None:
            return None
        data = dataclasses.replace(self.data, augment=self.reference.augment)
        return dataclasses.replace(self, data=data, layers=(), training=self.reference.training, reference=None)

    def to_json(self) -> str:
        """Return the plan as one line of JSON."""
        return _ADAPTER.dump_json(self).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> "TrainingPlan":
        """Return the plan that `to_json` wrote. Raises pydantic's ``ValidationError`` for anything else."""
        return _ADAPTER.validate_json(text)

    @property
    def hash(self) -> str:
        """The first 16 hexadecimal digits of the SHA-256 of the plan's JSON."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]


_ADAPTER = TypeAdapter(TrainingPlan)


def compress(plan: TrainingPlan, epochs: int) -> TrainingPlan:
    """Return the whole plan squeezed into ``epochs`` epochs.

    All times in a plan are fractions of its budget, so that only the number of epochs changes.
    """
    return dataclasses.replace(plan, training=dataclasses.replace(plan.training, epochs=epochs))
