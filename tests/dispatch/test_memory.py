"""Workers keep the memory that they free: the kernel does not have to clear pages at every step."""

import os
import platform
import subprocess
import sys

import pytest

STEPS = """
import resource, sys, torch
from ana_search.dispatch.memory import keep_freed_memory
torch.set_num_threads(1)
if sys.argv[1] == "keep":
    assert keep_freed_memory()
def step():
    return [torch.ones(500_000) for _ in range(4)]  # 2 MB each, freed together
for _ in range(3):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be asked to keep memory")
def test_a_step_faults_no_pages() -> None:
    def faults(how: str) -> int:
        # glibc's threshold for giving memory back moves with what was freed before; this is where it starts.
        environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "131072"}
        done = subprocess.run(
            [sys.executable, "-c", STEPS, how], env=environment, capture_output=True, text=True, check=True
        )
        return int(done.stdout)

    assert faults("keep") < 100 < faults("as it is")
