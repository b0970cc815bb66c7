"""Progressive freezing."""

from ana_search.ana.methods.base import Method

__all__ = ["FREEZING"]

FREEZING = Method(is_noisy=True)
"""A growing random part of the elements is the exact stair, the rest noise of the initial spread.

Source: Smith and Islam, arXiv:2601.22660 and 2606.27759 (StoMPP); see `ana_search.ana.freezing`.
"""
