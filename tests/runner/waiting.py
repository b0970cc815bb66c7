"""A network of another package, whose training takes time and next to no computing: what a soak trains."""

from pathlib import Path

NAME = "waiting"
CODE = """
import time

from torch import nn

from ana_search.networks.digits_cnn import digits_cnn


class Wait(nn.Module):
    '''Waits in every training step and hands on what it is given.'''

    def forward(self, x):
        if self.training and x.device.type != "meta":
            time.sleep({seconds})
        return x


def waiting(input_shape, classes, width=4):
    return nn.Sequential(Wait(), *digits_cnn(input_shape, classes, width=width))
"""


def publish(site: Path, seconds: float) -> None:
    """Install the network in a folder of the path; each of its training steps waits so long."""
    (site / "waiting_network.py").write_text(CODE.format(seconds=seconds))
    about = site / "waiting_network-1.0.dist-info"
    about.mkdir(exist_ok=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: waiting-network\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[ana_search.networks]\n{NAME} = waiting_network:waiting\n")
