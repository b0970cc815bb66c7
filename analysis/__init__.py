"""Which drives accuracy, the synchronisation of the layers or the shape of the regularisation, and how sure are we?"""

from analysis.attribution import Attribution, attribute
from analysis.report import Report, report

__all__ = ["Attribution", "Report", "attribute", "report"]
