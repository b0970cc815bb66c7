"""The networks: ordinary floating-point modules, quantised later. One file each, registered here.

An installed package adds its own through the entry point group ``ana_search.networks``: a function
``(input_shape, classes, width) -> nn.Module`` with a default for ``width``.
"""

from ana_search.networks.build import NETWORKS, build_network, count_layers

__all__ = ["NETWORKS", "build_network", "count_layers"]
