"""The integer network: its operations, exact by construction, and the list of steps that they make."""

from ana_search.export.integer.network import FrozenNetwork, Step, layer_name, storage_bits

__all__ = ["FrozenNetwork", "Step", "layer_name", "storage_bits"]
