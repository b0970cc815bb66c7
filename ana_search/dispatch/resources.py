"""What the slots of a study need, and whether a cluster has it."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

import psutil
import torch

from ana_search.errors import ResourceError

__all__ = ["NodeResources", "SlotRequest", "check_request", "local_resources", "slots_on"]


WORKER_BYTES = 1 << 29
"""Memory that is set aside for each worker: PyTorch, a small network and its batches."""


@dataclass(frozen=True)
class SlotRequest:
    """So many slots, each with so many CPUs and GPUs (a fraction shares one)."""

    workers: int
    cpus: float = 1.0
    gpus: float = 0.0

    def describe(self) -> str:
        """Return the resources of one slot in words."""
        parts = [f"{self.cpus:g} CPU{'' if self.cpus == 1 else 's'}"]
        parts += [f"{self.gpus:g} GPU{'' if self.gpus == 1 else 's'}"] if self.gpus else []
        return " and ".join(parts)


class NodeResources(TypedDict, total=False):
    """What one machine has, under the names that Ray gives its resources: processors, devices, bytes of memory."""

    CPU: float
    GPU: float
    memory: float


def local_resources() -> NodeResources:
    """Return the CPUs that this process may use and the CUDA devices that it sees."""
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    memory = float(psutil.virtual_memory().total)
    return {"CPU": float(len(os.sched_getaffinity(0))), "GPU": float(gpus), "memory": memory}


def slots_on(node: NodeResources, request: SlotRequest) -> int:
    """Return how many slots fit on a node with so many ``CPU`` and ``GPU``, and bytes of ``memory``.

    A slot with a fraction of a GPU stays on one device: two slots of 0.6 need two devices. Every worker is a process
    with a PyTorch of its own, so that memory limits their number where they reserve less than a CPU, or none.
    """
    limited = request.cpus < 1 and "memory" in node
    by_memory = math.floor(float(node["memory"]) / WORKER_BYTES) if limited else math.inf
    by_cpu = math.inf if request.cpus == 0 else math.floor(float(node.get("CPU", 0)) / request.cpus + 1e-9)
    if request.gpus == 0:
        by_gpu = math.inf
    elif request.gpus < 1:
        by_gpu = math.floor(float(node.get("GPU", 0))) * math.floor(1 / request.gpus + 1e-9)
    else:
        by_gpu = math.floor(float(node.get("GPU", 0)) / request.gpus + 1e-9)
    fitting = min(by_cpu, by_gpu, by_memory)
    return request.workers if fitting == math.inf else int(fitting)


def _describe_node(node: NodeResources) -> str:
    text = f"{float(node.get('CPU', 0)):g} CPUs, {float(node.get('GPU', 0)):g} GPUs"
    return text if "memory" not in node else f"{text}, {float(node['memory']) / 2**30:.1f} GiB of memory"


def _memory_of(request: SlotRequest) -> str:
    return f", each with {WORKER_BYTES / 2**20:g} MiB of memory" if request.cpus < 1 else ""


def check_request(request: SlotRequest, nodes: Sequence[NodeResources]) -> None:
    """Raise `ResourceError` unless the nodes have room for all slots; the message says what there is."""
    if request.gpus > 1 and request.gpus != int(request.gpus):
        raise ResourceError(
            f"resources.gpus_per_trial = {request.gpus:g} (--gpus-per-trial); allowed: a fraction of one GPU, or "
            "whole GPUs"
        )
    fitting = sum(slots_on(node, request) for node in nodes)
    if fitting >= request.workers:
        return
    have = "; ".join(map(_describe_node, nodes)) or "nothing"
    nodes_text = "this machine" if len(nodes) == 1 else f"{len(nodes)} nodes"
    allowed = (
        f"at most {fitting} workers of that size{_memory_of(request)} (--workers, or resources.workers in the study "
        "file)"
        if fitting
        else "a smaller resources.cpus_per_trial or resources.gpus_per_trial (--gpus-per-trial)"
    )
    raise ResourceError(
        f"resources: {request.workers} workers with {request.describe()} each do not fit; {nodes_text}: {have}; "
        f"allowed: {allowed}"
    )
