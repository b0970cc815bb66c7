"""Training one plan: the loop over epochs and steps."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import torch
from torch import Tensor, nn

from ana_search.ana import Annealer, fit_to_trained, regularisation_gap
from ana_search.ana.codes_in_use import activation_levels, weight_codes, weight_levels
from ana_search.ana.recalibrate import recalibrate
from ana_search.data import Dataset, changed, check_augmentations, load_dataset, mixed, names_of
from ana_search.errors import DataError, DivergedError
from ana_search.plan import TrainingPlan
from ana_search.training.average import Average
from ana_search.training.build import build
from ana_search.training.checkpoint import RunState, load_checkpoint, save_checkpoint
from ana_search.training.evaluate import evaluate
from ana_search.training.float_network import FloatNetwork, FloatStore
from ana_search.training.layout import memory_format
from ana_search.training.learning_rate import learning_rate_at
from ana_search.training.loss import loss_of
from ana_search.training.machine import computing_with
from ana_search.training.optimiser import make_optimiser, steps_per_epoch
from ana_search.training.random_state import get_states, repeatable, seeded, set_states, stream, undisturbed
from ana_search.training.result import EpochReport, TrainingResult

__all__ = ["train"]

_GAP_IMAGES = 64  # images that the regularisation gap is measured on
_RECALIBRATION_IMAGES = 2048
_FITTED, _LEAST_FITTED, _FITTED_NUMBERS = 1024, 32, 1 << 23  # examples that trained weights are fitted on, all at once
_CHECKPOINT_SHARE = 0.01  # the part of a run's time that writing checkpoints may take


def train(
    plan: TrainingPlan,
    report: Callable[[EpochReport], None] | None = None,
    *,
    dataset: Dataset | None = None,
    checkpoint: Path | None = None,
    device: torch.device | str | None = None,
    threads: int | None = None,
    floats: FloatStore | None = None,
    pause: Callable[[], None] | None = None,
) -> TrainingResult:
    """Train the plan and return the network with its validation accuracy.

    Initial weights, the order of the images and all noise come from ``plan.seed``; torch's own random state is
    left as it was. The same plan gives the same accuracy to the last bit on the same kind of machine with the
    same number of threads, whether it is trained in one go or resumed.

    Args:
        plan: everything there is to know about the run.
        report: called after every epoch. What it raises ends the run, and the checkpoint is of that epoch then.
        dataset: the plan's data set, where it is in memory already (default: it is loaded).
        checkpoint: a file to go on from if it holds this plan, written after the first epoch and then after as many
            as leave it a hundredth of the time, but never after the last.
        device: where to train (default: the first CUDA device that is visible, else the CPU).
        threads: CPU threads to train with (default: as many as PyTorch has, which the environment may change).
        floats: where networks in floating point that runs learn or start from are kept (default: nowhere, they are
            trained anew).
        pause: called after every epoch of such a network; what it raises ends the run, which goes on from there.

    Raises:
        DataError, NetworkError: the plan's data set or network cannot be had.
        DivergedError: the loss is no longer finite.
    """
    chosen = torch.device(device if device is not None else "cuda" if torch.cuda.is_available() else "cpu")
    data = (load_dataset(plan.data) if dataset is None else dataset).to(chosen)
    with computing_with(threads):
        in_float = _float_network(plan, data, chosen, floats or FloatStore(), pause)
        return _train(plan, report, data, checkpoint, chosen, in_float)


def _float_network(
    plan: TrainingPlan, data: Dataset, device: torch.device, floats: FloatStore, pause: Callable[[], None] | None
) -> nn.Module | None:
    """Return the network in floating point that the run learns or starts from, in evaluation mode; ``None`` without."""
    wanted = plan.float_plan
    if wanted is None:
        return None

    def empty() -> nn.Module:
        return build(wanted, data.input_shape, len(data.classes))[0]

    def trained(checkpoint: Path | None) -> FloatNetwork:
        after = None if pause is None else lambda _: pause()
        result = _train(wanted, after, data, checkpoint, device, None)
        return FloatNetwork(result.network, result.accuracy)

    network = floats.get(wanted, empty, trained).network
    return network.requires_grad_(False).to(device).eval()


def first_examples(data: Dataset) -> Tensor:
    """Return what the network sees of the first training examples: as many as a fit needs and memory allows."""
    numbers = max(1, math.prod(data.input_shape))
    count = max(_LEAST_FITTED, min(_FITTED, _FITTED_NUMBERS // numbers))
    return data.encode(data.images[data.train[:count]])


def _train(
    plan: TrainingPlan,
    report: Callable[[EpochReport], None] | None,
    data: Dataset,
    checkpoint: Path | None,
    chosen: torch.device,
    in_float: nn.Module | None,
) -> TrainingResult:
    began = time.monotonic()
    network, annealer = build(plan, data.input_shape, len(data.classes), in_float)
    network = network.to(chosen)
    if plan.layers and plan.training.start != "random":
        with repeatable(chosen):
            fit_to_trained(network, first_examples(data))
    layout = memory_format(network, data)
    if layout == torch.channels_last:
        network = network.to(memory_format=layout)
    teacher = in_float if plan.training.teacher != "none" else None
    if teacher is not None:  # how weights lie in memory decides how a convolution rounds: kept or new, they lie alike
        teacher = teacher.to(memory_format=layout)
    run = _Run(plan, data, network, annealer, chosen, layout, teacher)
    restored = None if checkpoint is None else load_checkpoint(checkpoint, plan, run.state)
    history: list[EpochReport] = []
    with seeded(plan.seed, "noise", chosen), repeatable(chosen):
        if restored is not None:
            history, states = restored
            set_states(states, chosen, run.streams)
            began -= history[-1].seconds
        keeper = _Keeper(checkpoint, run, history)
        while len(history) < plan.training.epochs:
            history.append(run.epoch(len(history), began))
            keeper.keep_if_due()
            try:
                if report is not None:
                    with undisturbed(chosen):
                        report(history[-1])
            except BaseException:
                keeper.keep()
                raise
    return TrainingResult(history[-1].accuracy, history, run.kept.eval(), time.monotonic() - began)


class _Run:
    """One training run in memory."""

    def __init__(
        self,
        plan: TrainingPlan,
        data: Dataset,
        network: nn.Module,
        annealer: Annealer,
        device: torch.device,
        layout: torch.memory_format,
        teacher: nn.Module | None,
    ) -> None:
        settings = plan.training
        self.plan, self.data, self.network, self.annealer = plan, data, network, annealer
        self.device, self.layout, self.teacher = device, layout, teacher
        self.step_network: Callable[[Tensor], Tensor] = network
        if settings.compile:
            # PyTorch's compiler compiles one piece of code only so many times, earlier runs of this process included,
            # and then runs it uncompiled: forget the earlier ones.
            torch.compiler.reset()
            self.step_network = torch.compile(network)
        self.batch_size = min(settings.batch_size, len(data.train))
        if self.batch_size < 2:
            raise DataError(f"training needs batches of at least 2 images, got {self.batch_size}")
        self.steps_per_epoch = steps_per_epoch(settings, len(data.train))
        self.steps = settings.epochs * self.steps_per_epoch
        self.streams = {purpose: stream(plan.seed, purpose) for purpose in ("order", "augment")}
        average = Average(network, settings.average_span * self.steps) if settings.average == "ema" else None
        self.state = RunState(network, make_optimiser(network, settings), average)
        self.augmentations = names_of(plan.data.augment)
        check_augmentations(self.augmentations, data.input_shape)

    @property
    def kept(self) -> nn.Module:
        """The network that is validated and kept: the average where there is one."""
        return self.network if self.state.average is None else self.state.average.network

    def epoch(self, epoch: int, began: float) -> EpochReport:
        """Train epoch number ``epoch``, counted from 0, and validate."""
        self.network.train()
        order = torch.randperm(len(self.data.train), generator=self.streams["order"]).to(self.device)
        losses, hits = [], []
        before = weight_codes(self.network)
        images = self.data.images[:0]
        for batch in range(self.steps_per_epoch):
            chosen = self.data.train[order[batch * self.batch_size : (batch + 1) * self.batch_size]]
            images = self.data.images[chosen]
            loss, hit = self._step(epoch * self.steps_per_epoch + batch, images, self.data.labels[chosen])
            losses.append(loss)
            hits.append(hit)
        # One transfer an epoch: reading every loss at once would make a GPU wait at every step.
        mean_loss = torch.stack(losses).double().mean().item()
        if not math.isfinite(mean_loss):
            raise DivergedError(f"the loss became {mean_loss} in epoch {epoch + 1} of {self.plan.training.epochs}")
        probe = self.data.encode(images[:_GAP_IMAGES])
        gap = regularisation_gap(self.network, probe)
        if self.plan.training.recalibrate == "batch_norm":
            recalibrate(self.kept, self._first_inputs())
        accuracy, _ = evaluate(self.kept, self.data)
        codes = weight_codes(self.network)
        return EpochReport(
            epoch=epoch + 1,
            epochs=self.plan.training.epochs,
            loss=mean_loss,
            train_accuracy=torch.stack(hits).double().mean().item(),
            accuracy=accuracy,
            learning_rate=float(self.state.optimiser.param_groups[0]["lr"]),
            gap=tuple(gap),
            seconds=time.monotonic() - began,
            weight_levels=weight_levels(codes),
            activation_levels=activation_levels(self.network, probe),
            flips=tuple((a != b).double().mean().item() for a, b in zip(before, codes, strict=True)),
        )

    def _first_inputs(self) -> Iterator[Tensor]:
        """Yield what the network sees of the first training images, in batches of the size that it is trained with."""
        for chosen in torch.split(self.data.train[:_RECALIBRATION_IMAGES], self.batch_size):
            if len(chosen) > 1:  # batch norm can make nothing of one image
                yield self._arranged(self.data.encode(self.data.images[chosen]))

    def _step(self, step: int, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Take one optimiser step; return its loss and the fraction of the batch classified correctly."""
        settings, optimiser = self.plan.training, self.state.optimiser
        budget = settings.anneal * self.steps
        self.annealer.set(step / budget if budget > 0 else 1.0)
        for group in optimiser.param_groups:
            group["lr"] = learning_rate_at(step, self.steps, settings)
        inputs, targets = self._batch(images, labels)
        lower = settings.precision == "bfloat16"
        with torch.autocast(self.device.type, torch.bfloat16) if lower else nullcontext():
            logits = self.step_network(inputs)
            taught = self._taught(inputs)
        loss = loss_of(logits, targets, settings, taught)
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        if settings.clip != "none":
            nn.utils.clip_grad_norm_(self.network.parameters(), settings.clip)
        optimiser.step()
        if self.state.average is not None:
            self.state.average.update()
        return loss.detach(), (logits.detach().argmax(dim=1) == labels).double().mean()

    def _batch(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the network sees of the images, changed as the plan says, and their labels."""
        if self.augmentations:
            generator, padding = self.streams["augment"], self.plan.data.padding
            images = changed(images, self.augmentations, flips=self.data.flips, generator=generator, padding=padding)
        inputs = self.data.encode(images)
        if "mixup" in self.augmentations:
            inputs, labels = mixed(inputs, labels, len(self.data.classes), self.streams["augment"])
        return self._arranged(inputs), labels

    def _arranged(self, inputs: Tensor) -> Tensor:
        """Return images in the order in memory that the network is trained with; other examples as they are."""
        return inputs.contiguous(memory_format=self.layout) if inputs.dim() == 4 else inputs

    def _taught(self, inputs: Tensor) -> Tensor | None:
        if self.teacher is None:
            return None
        with torch.no_grad():
            answer: Tensor = self.teacher(inputs)
        return answer


class _Keeper:
    """Writes the checkpoints of a run, as often as they take at most a hundredth of its time."""

    def __init__(self, path: Path | None, run: _Run, history: list[EpochReport]) -> None:
        self._path, self._run, self._history = path, run, history
        self._kept = 0
        self._due = time.monotonic()

    def keep_if_due(self) -> None:
        """Write a checkpoint if the time that the last one took is made up for (see `_CHECKPOINT_SHARE`)."""
        if time.monotonic() >= self._due:
            self.keep()

    def keep(self) -> None:
        """Write a checkpoint of the last epoch, unless that is there or there is nothing left to train."""
        run, epochs = self._run, len(self._history)
        if self._path is None or epochs in (self._kept, run.plan.training.epochs):
            return
        began = time.monotonic()
        states = get_states(run.device, run.streams)
        save_checkpoint(self._path, run.plan, run.state, self._history, states)
        self._kept, ended = epochs, time.monotonic()
        self._due = ended + (ended - began) / _CHECKPOINT_SHARE
