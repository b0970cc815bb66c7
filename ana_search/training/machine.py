"""What decides the last bits of a training run besides its plan: device, processor, threads, PyTorch's version."""

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch as pytorch

__all__ = ["Machine", "computing_with", "name_of"]

_CPU_INFO = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Machine:
    """Where a run was trained; ``None`` for what was not recorded.

    The same plan gives the same accuracy to the last bit where all of these are the same. On a GPU the processor and
    the threads of the host have no part in it.
    """

    device: str | None = None
    processor: str | None = None
    threads: int | None = None
    torch: str | None = None

    @classmethod
    def here(cls, device: pytorch.device, threads: int) -> "Machine":
        """Return this machine, with training on ``device`` and so many threads."""
        return cls(name_of(device), processor(), threads, str(pytorch.__version__))

    def differences(self, other: "Machine") -> list[str]:
        """Return in words what of ``other`` could make the same plan round differently; empty for nothing known."""
        on_cpu = self.device in (None, "cpu")
        matters = ("device", "processor", "threads", "torch") if on_cpu else ("device", "torch")
        pairs = [(name, getattr(self, name), getattr(other, name)) for name in matters]
        return [f"{name}: {was} then, {now} now" for name, was, now in pairs if None not in (was, now) and was != now]


def name_of(device: pytorch.device) -> str:
    """Return ``"cpu"``, or the name of the GPU."""
    return pytorch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


@cache
def processor() -> str:
    """Return the name of the processor and the widest instructions that PyTorch uses on it."""
    name = platform.processor() or platform.machine()
    try:
        lines = _CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not Linux
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{models[0] if models else name}, {pytorch.backends.cpu.get_cpu_capability()}"


@contextmanager
def computing_with(threads: int | None) -> Iterator[None]:
    """Compute with ``threads`` CPU threads in the block, whatever the environment says; ``None`` changes nothing.

    How a sum is divided among threads decides how it is rounded. The number belongs to the thread that asks for it.
    """
    before = pytorch.get_num_threads()
    if threads is not None:
        pytorch.set_num_threads(threads)
    try:
        yield
    finally:
        if threads is not None:
            pytorch.set_num_threads(before)
