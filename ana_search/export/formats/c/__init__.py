"""C: one file of C99 and a header, integers only, without heap or libraries, for microcontrollers."""

from ana_search.export.formats.c.format import CFormat
from ana_search.export.formats.c.writer import CNetwork, to_c

__all__ = ["CFormat", "CNetwork", "to_c"]
