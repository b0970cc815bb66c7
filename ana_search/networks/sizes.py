"""What a network needs of its input: images, and of a size that poolings leave something of."""

from ana_search.errors import NetworkError

__all__ = ["after_pools", "image_shape"]


def image_shape(network: str, input_shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return channels, height and width. Raises `NetworkError` for an input that is no image, with the remedy."""
    if len(input_shape) == 3:
        channels, height, width = input_shape
        return channels, height, width
    kinds = {1: "a table", 2: "a signal"}
    remedy = "x[:, None], which are images of one channel; " if len(input_shape) == 2 else ""
    raise NetworkError(
        f"network {network!r} needs images [channels, height, width]; the data have the shape {list(input_shape)} "
        f'({kinds.get(len(input_shape), "no image")}); allowed: {remedy}network.name = "mlp", or a network of your own'
    )


def after_pools(network: str, input_shape: tuple[int, ...], pools: int) -> tuple[int, int]:
    """Return height and width after ``pools`` poolings by 2. Raises `NetworkError` where either becomes 0."""
    _, height, width = image_shape(network, input_shape)
    if min(height, width) < 2**pools:
        raise NetworkError(
            f"network {network!r} halves the image {pools} times: it needs at least {2**pools} x {2**pools} "
            f"pixels, got {height} x {width}"
        )
    return height >> pools, width >> pools
