"""The exponential moving average of a network's parameters (Polyak and Juditsky 1992; Tarvainen and Valpola 2017)."""

from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

__all__ = ["Average"]


class Average:
    """A copy of a network whose parameters are the average over its last steps; its buffers are the network's own.

    Args:
        network: the network that is trained.
        span: over how many steps the average reaches back: each step has the weight ``1 / span`` in it. Until as many
            steps are taken it is the plain mean of them.
    """

    def __init__(self, network: nn.Module, span: float) -> None:
        self._network, self._span, self._steps = network, max(1.0, span), 0
        self._averaged = AveragedModel(network)

    @property
    def network(self) -> nn.Module:
        """The averaged network."""
        averaged: nn.Module = self._averaged.module
        return averaged

    def update(self) -> None:
        """Take the network's parameters after a step into the average."""
        self._steps += 1
        decay = 1.0 - 1.0 / min(self._span, self._steps)
        self._averaged.multi_avg_fn = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]  # torch gives no types
        self._averaged.update_parameters(self._network)

    def state(self) -> dict[str, object]:
        """Return what `restore` needs, for a checkpoint."""
        return {"steps": self._steps, "network": self._averaged.state_dict()}

    def fits(self, state: object) -> bool:
        """Return whether `restore` can take this state: a dictionary with tensors of the right names and shapes."""
        if not isinstance(state, dict) or not isinstance(state.get("steps"), int):
            return False
        kept, own = state.get("network"), self._averaged.state_dict()
        return isinstance(kept, dict) and {name: tensor.shape for name, tensor in kept.items()} == {
            name: tensor.shape for name, tensor in own.items()
        }

    def restore(self, state: dict[str, object]) -> None:
        """Go on from a state that `state` returned."""
        self._averaged.load_state_dict(state["network"])  # type: ignore[arg-type]  # as `state` wrote it
        self._steps = int(state["steps"])  # type: ignore[call-overload]  # likewise
