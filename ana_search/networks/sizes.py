"""The size of an image after pooling, and the error where nothing would be left of it."""

from ana_search.errors import NetworkError

__all__ = ["after_pools"]


def after_pools(network: str, input_shape: tuple[int, int, int], pools: int) -> tuple[int, int]:
    """Return height and width after ``pools`` poolings by 2. Raises `NetworkError` where either becomes 0."""
    _, height, width = input_shape
    if min(height, width) < 2**pools:
        raise NetworkError(
            f"network {network!r} halves the image {pools} times: it needs at least {2**pools} x {2**pools} "
            f"pixels, got {height} x {width}"
        )
    return height >> pools, width >> pools
