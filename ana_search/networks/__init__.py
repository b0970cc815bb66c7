"""The networks: ordinary floating-point modules, quantised later. One file each, registered here.

An installed package adds its own through the entry point group ``ana_search.networks``: a function
``(input_shape, classes, width) -> nn.Module`` with a default for ``width``. A user's file adds one where its import is
allowed (`import_code`), and ``torchvision:NAME`` is one of torchvision's.
"""

from ana_search.networks.build import (
    NETWORKS,
    argument_problems,
    arguments_of,
    build_network,
    check_outputs,
    count_layers,
    is_known_code,
    is_network_name,
    layer_names,
    network_names,
)
from ana_search.networks.user_code import (
    UserCode,
    absolute_name,
    import_code,
    imported,
    install_code,
    is_file_name,
    user_function,
)

__all__ = [
    "NETWORKS",
    "UserCode",
    "absolute_name",
    "argument_problems",
    "arguments_of",
    "build_network",
    "check_outputs",
    "count_layers",
    "import_code",
    "imported",
    "install_code",
    "is_file_name",
    "is_known_code",
    "is_network_name",
    "layer_names",
    "network_names",
    "user_function",
]
