"""Learned step size quantisation."""

from ana_search.ana.methods.base import Method
from ana_search.ana.methods.clipped_ste import CLIPPED_STE

__all__ = ["LSQ"]

LSQ = Method(schedule=CLIPPED_STE.schedule, scale="learned")
"""``y = s stair(x / s)`` with a learned ``s``; ``dy/dx = 1`` between the outermost levels ``-Q_N`` and ``Q_P``, else 0;
``dy/ds = stair(x / s) - x / s`` between them, ``-Q_N`` below and ``Q_P`` above, divided by ``sqrt(n Q_P)``.

Source: Esser, McKinstry, Bablani, Appuswamy and Modha, ICLR 2020, equations 1 to 5. Left out: 8 bits in the first and
last layers are keys of their own (``first``, ``last``), and so is the start from a trained network (``start``), from
which the publication's ``2 mean |x| / sqrt(Q_P)`` starts the scales; they start at 1 here, which is where the quantum
of the stair puts the weights of a fresh network.
"""
