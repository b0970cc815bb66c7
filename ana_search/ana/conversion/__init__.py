"""Conversion: a network's graph, with a quantiser at every value that needs one.

`prepare` makes a copy whose parameters are plain, `trace` finds its graph, `roles` says what each operation does to
quantised values, `place` walks the graph and decides where quantisers go, and `rewrite` puts them there. What stays in
floating point is named: `floating`. A network without a graph is converted module by module: `by_module`.
"""

from ana_search.ana.conversion.convert import convert
from ana_search.ana.conversion.floating import FloatPart, FloatPartWarning, float_parts

__all__ = ["FloatPart", "FloatPartWarning", "convert", "float_parts"]
