"""What a study asks for, before anything is run: its parameters, its cells, its cost."""

from ana_search.estimate.cells import plan_lines, write_plans
from ana_search.estimate.cost import estimate, example_plan
from ana_search.estimate.timing import images_in_memory

__all__ = ["estimate", "example_plan", "images_in_memory", "plan_lines", "write_plans"]
