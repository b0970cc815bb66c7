"""PyTorch files: the frozen module as ``torch.export`` saves it."""

from ana_search.export.formats.pt2.format import Pt2Format

__all__ = ["Pt2Format"]
