"""The network in floating point that a run learns or starts from: trained once a study and replicate, and kept."""

import io
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from filelock import FileLock
from torch import nn

from ana_search.files import write_durably
from ana_search.float_reference import FloatNote, float_note
from ana_search.plan import TrainingPlan

__all__ = ["FloatNetwork", "FloatStore"]


@dataclass(frozen=True)
class FloatNetwork:
    """A trained network in floating point, in evaluation mode, and its validation accuracy."""

    network: nn.Module
    accuracy: float


@dataclass(frozen=True)
class FloatStore:
    """Where trained networks in floating point are kept, by the hash of their plans.

    ``folder`` is ``None`` where nothing is kept. Of several processes that want the same network on one machine, one
    trains it and the others wait; should two machines train it, they find the same.
    """

    folder: Path | None = None

    def get(
        self, plan: TrainingPlan, empty: Callable[[], nn.Module], train: Callable[[Path | None], FloatNetwork]
    ) -> FloatNetwork:
        """Return the network of ``plan``: the one that is kept, or a new one, which is kept then.

        Args:
            plan: a plan without layers.
            empty: makes the network, with any weights.
            train: trains it; is given a file for its checkpoints.
        """
        lock = self._lock(plan)
        if self.folder is None or lock is None:
            return train(None)
        with lock:
            kept = self._kept(plan, empty)
            if kept is None:
                checkpoint = self.folder / f"{plan.hash}.checkpoint.pt"
                kept = train(checkpoint)
                self._keep(plan, kept)
                checkpoint.unlink(missing_ok=True)
        return kept

    def _lock(self, plan: TrainingPlan) -> FileLock | None:
        """Return what one process at a time may hold; ``None`` where nothing can be written."""
        if self.folder is None:
            return None
        lock = FileLock(self.folder / f"{plan.hash}.lock")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with lock:
                return lock
        except OSError:
            return None

    def _kept(self, plan: TrainingPlan, empty: Callable[[], nn.Module]) -> FloatNetwork | None:
        """Return what is kept; ``None`` where nothing whole is, which is then trained anew."""
        weights, note = self._files(plan)
        try:
            accuracy = float(float_note(note)["accuracy"])
            state = torch.load(weights, weights_only=True, map_location="cpu")
            network = empty()
            network.load_state_dict(state)
        except Exception:  # a damaged file makes its readers raise anything
            return None
        return FloatNetwork(network.eval(), accuracy)

    def _keep(self, plan: TrainingPlan, found: FloatNetwork) -> None:
        weights, note = self._files(plan)
        buffer = io.BytesIO()
        torch.save({name: tensor.cpu() for name, tensor in found.network.state_dict().items()}, buffer)
        about: FloatNote = {"accuracy": found.accuracy, "seed": plan.seed, "plan": json.loads(plan.to_json())}
        with suppress(OSError):  # a full disk costs the next run the time to train it again
            write_durably(weights, buffer.getbuffer())
            write_durably(note, json.dumps(about))

    def _files(self, plan: TrainingPlan) -> tuple[Path, Path]:
        assert self.folder is not None
        return self.folder / f"{plan.hash}.pt", self.folder / f"{plan.hash}.json"
