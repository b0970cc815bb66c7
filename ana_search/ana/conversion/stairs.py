"""Which stair a value gets: signed or unsigned with the same number of bits, and grids that fit each other."""

from ana_search.ana.stairs import StairFunction

__all__ = ["for_function", "for_gate", "for_stream", "on_grid", "signed", "unsigned"]

_STREAM_BITS = 8
_STREAM_QUANTUM = 2.0**-5
"""Of values that are only added to others: [-4, 4], four standard deviations of what leaves a batch norm."""


def signed(stair: StairFunction) -> StairFunction:
    """Return the signed stair of as many bits: ``stair`` itself if it has negative levels.

    Its levels are balanced but for 2 bits, which are four levels. It reaches as far: an unsigned stair of quantum q
    becomes a signed one of quantum 2 q. Stairs that are not
    consecutive integers with thresholds half-way are left as they are.

    >>> signed(StairFunction.from_bits(2, signed=False, quantum=0.5))
    StairFunction(levels=(-2.0, -1.0, 0.0, 1.0), thresholds=(-1.5, -0.5, 0.5), quantum=1.0)
    """
    if stair.levels[0] < 0 or not _is_plain(stair):
        return stair
    bits = stair.bits
    return StairFunction.from_bits(bits, balanced=bits != 2, quantum=stair.quantum * (2 if bits > 1 else 1))


def unsigned(stair: StairFunction) -> StairFunction:
    """Return the stair without negative levels of as many bits: ``stair`` itself if it has none.

    It reaches as far: a signed stair of quantum q becomes an unsigned one of quantum q / 2; levels -1 and 1
    become 0 and 1.

    >>> unsigned(StairFunction.ternary())
    StairFunction(levels=(0.0, 1.0, 2.0, 3.0), thresholds=(0.5, 1.5, 2.5), quantum=0.5)
    """
    if stair.levels[0] >= 0 or not (_is_plain(stair) or stair.levels == (-1.0, 1.0)):
        return stair
    bits = stair.bits
    return StairFunction.from_bits(bits, signed=False, quantum=stair.quantum / (2 if bits > 1 else 1))


def for_function(stair: StairFunction, has_negatives: bool, wanted: bool | None) -> StairFunction:
    """Return the stair in the place of a function, from that of its layer.

    ``wanted`` says whether negative levels were asked for; ``None``, that nothing was.
    A given stair without negative levels in the place of a function that has negative values was meant, and stays.
    """
    if wanted is None:
        return stair if has_negatives else unsigned(stair)
    return signed(stair) if wanted else unsigned(stair)


def for_gate(stair: StairFunction) -> StairFunction:
    """Return the stair of as many bits for values in [0, 1]: levels 0 ... 1 - 2**-bits.

    >>> for_gate(StairFunction.ternary()).scaled_levels
    (0.0, 0.25, 0.5, 0.75)
    """
    bits = stair.bits
    return StairFunction.from_bits(bits, signed=False, quantum=2.0**-bits)


def for_stream(stair: StairFunction, quantum: float | None = None) -> StairFunction:
    """Return the 8-bit stair of values that no map reads: what shortcuts add up from block to block.

    Its quantum is that of what is added, where it is given.
    """
    found = min(_STREAM_QUANTUM, signed(stair).quantum) if quantum is None else quantum
    return StairFunction.from_bits(_STREAM_BITS, quantum=found)


def on_grid(stair: StairFunction, coarser: StairFunction) -> StairFunction:
    """Return ``stair`` with a quantum that is a multiple of the other's: sums of both are integers then."""
    if stair.quantum >= coarser.quantum:
        return stair
    return StairFunction(stair.levels, stair.thresholds, coarser.quantum)


def _is_plain(stair: StairFunction) -> bool:
    """Return whether the levels are consecutive integers and every threshold is half-way."""
    first = stair.levels[0]
    return (
        first == int(first)
        and all(level == first + number for number, level in enumerate(stair.levels))
        and all(t == level + 0.5 for t, level in zip(stair.thresholds, stair.levels, strict=False))
    )
