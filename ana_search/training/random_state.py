"""Where a training run's randomness comes from: the plan's seed, one stream for each purpose."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

__all__ = ["Purpose", "get_states", "repeatable", "seeded", "set_states", "stream", "undisturbed"]

Purpose = str
"""What a stream is for: ``"weights"``, ``"order"``, ``"augment"`` or ``"noise"``."""


def stream(seed: int, purpose: Purpose) -> torch.Generator:
    """Return a generator on the CPU whose draws depend on the seed and the purpose alone."""
    return torch.Generator().manual_seed(_derive(seed, purpose))


@contextmanager
def undisturbed(device: torch.device | None = None) -> Iterator[None]:
    """Put torch's own generators, of the CPU and of ``device``, back after the block to where they were."""
    with torch.random.fork_rng(devices=_cuda(device)):
        yield


@contextmanager
def seeded(seed: int, purpose: Purpose, device: torch.device | None = None) -> Iterator[None]:
    """Seed torch's own generators, of the CPU and of ``device``, within the block; put them back after it."""
    with undisturbed(device):
        # torch.manual_seed would also seed the generators of all other devices, which nothing here puts back.
        torch.default_generator.manual_seed(_derive(seed, purpose))
        for other in _cuda(device):
            with torch.cuda.device(other):
                torch.cuda.manual_seed(_derive(seed, purpose))
        yield


@contextmanager
def repeatable(device: torch.device) -> Iterator[None]:
    """Let a GPU use only those convolutions that give the same bits every time."""
    cudnn = torch.backends.cudnn
    before = cudnn.deterministic, cudnn.benchmark
    if device.type == "cuda":
        cudnn.deterministic, cudnn.benchmark = True, False
    try:
        yield
    finally:
        cudnn.deterministic, cudnn.benchmark = before


def get_states(device: torch.device, streams: dict[Purpose, torch.Generator]) -> dict[str, Tensor]:
    """Return the states of ``streams`` and of torch's own generators, of the CPU and of ``device``."""
    states = {purpose: generator.get_state() for purpose, generator in streams.items()}
    states["torch"] = torch.get_rng_state()
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def set_states(states: dict[str, Tensor], device: torch.device, streams: dict[Purpose, torch.Generator]) -> None:
    """Put all generators into the states that `get_states` returned."""
    for purpose, generator in streams.items():
        generator.set_state(states[purpose])
    torch.set_rng_state(states["torch"])
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)


def _cuda(device: torch.device | None) -> list[torch.device]:
    return [device] if device is not None and device.type == "cuda" else []


def _derive(seed: int, purpose: Purpose) -> int:
    digest = hashlib.sha256(f"{seed} {purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
