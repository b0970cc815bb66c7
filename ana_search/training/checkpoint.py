"""A training run on disk: enough to go on after any epoch as if it had never stopped."""

import contextlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ana_search.files import write_durably
from ana_search.plan import TrainingPlan
from ana_search.training.average import Average
from ana_search.training.result import EpochReport

__all__ = ["VERSION", "RunState", "kept_epochs", "load_checkpoint", "save_checkpoint"]

VERSION = 4
"""Of what a checkpoint holds; one of another version is not gone on from."""


@dataclass(frozen=True)
class RunState:
    """What changes from step to step: the network, its optimiser, and the average of its parameters if there is one."""

    network: nn.Module
    optimiser: Optimizer
    average: Average | None = None


def save_checkpoint(
    path: Path,
    plan: TrainingPlan,
    run: RunState,
    history: list[EpochReport],
    random_states: dict[str, Tensor],
) -> None:
    """Write the state after an epoch, under a temporary name that is then renamed.

    A disk that is full or away costs the checkpoint and not the run: nothing is raised, the last one stays.
    """
    state = {
        "version": VERSION,
        "plan": plan.hash,
        "network": run.network.state_dict(),
        "optimiser": run.optimiser.state_dict(),
        "average": None if run.average is None else run.average.state(),
        "history": [report.as_json() for report in history],
        "random_states": random_states,
    }
    # In memory first: torch reports a full disk by a plain RuntimeError, which cannot be told from others.
    buffer = io.BytesIO()
    torch.save(state, buffer)
    with contextlib.suppress(OSError):
        write_durably(path, buffer.getbuffer())


def load_checkpoint(
    path: Path, plan: TrainingPlan, run: RunState
) -> tuple[list[EpochReport], dict[str, Tensor]] | None:
    """Restore network, optimiser and average; return the history so far and the states of the random generators.

    Returns ``None``, and changes nothing, where there is no checkpoint of this plan: missing, of another plan or
    version, or unreadable (such a run starts anew, which loses time but no result).
    """
    try:
        state: Any = torch.load(path, weights_only=True, map_location="cpu")
    except Exception:  # a damaged file makes the unpickler raise anything
        return None
    if not isinstance(state, dict) or state.get("version") != VERSION or state.get("plan") != plan.hash:
        return None
    try:
        if _shapes(state["network"]) != _shapes(run.network.state_dict()):
            return None
        history = [_as_report(report) for report in state["history"]]
        random_states = dict(state["random_states"])
        if run.average is not None and not run.average.fits(state["average"]):
            return None
        # Raises, before it changes anything, for the state of another optimiser.
        run.optimiser.load_state_dict(state["optimiser"])
        run.network.load_state_dict(state["network"])
        if run.average is not None:
            run.average.restore(state["average"])
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError):
        return None  # version and plan are right, but something is missing or damaged
    return history, random_states


def kept_epochs(path: Path, plan: TrainingPlan) -> int:
    """Return how many epochs of this plan a checkpoint holds; 0 if there is none. The weights are not read."""
    try:
        state: Any = torch.load(path, weights_only=True, map_location="cpu", mmap=True)
        return len(state["history"]) if (state["version"], state["plan"]) == (VERSION, plan.hash) else 0
    except Exception:  # as in `load_checkpoint`
        return 0


def _as_report(epoch: dict[str, object]) -> EpochReport:
    """Return the report of an epoch as a checkpoint holds it: its sequences are lists there."""
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in epoch.items()}
    return EpochReport(**values)  # type: ignore[arg-type]  # other fields are a `TypeError`, which refuses the file


def _shapes(tensors: dict[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in tensors.items()}
