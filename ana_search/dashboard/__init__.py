"""The Optuna dashboard on a study, with its question, its answer so far, figures, notes and files."""

from ana_search.dashboard.artifacts import attach
from ana_search.dashboard.publish import publish
from ana_search.dashboard.serve import offer, serve
from ana_search.dashboard.server import DashboardServer

__all__ = ["DashboardServer", "attach", "offer", "publish", "serve"]
