"""What a study asks for, before anything is run: its parameters, its cells, its cost."""

from ana_search.estimate.cells import plan_lines, write_plans
from ana_search.estimate.cost import estimate

__all__ = ["estimate", "plan_lines", "write_plans"]
