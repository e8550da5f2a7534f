"""What can be named: environments, planners, topologies and metrics with their one-line descriptions."""

from __future__ import annotations

from emcoop.cognitive_layer.planners import list_planners
from emcoop.cognitive_layer.topologies import list_topologies
from emcoop.metrics import list_metrics
from emcoop.registration import environment_specs

__all__ = ["list_environments", "list_metrics", "list_planners", "list_topologies"]


def list_environments() -> dict[str, str]:
    """Return environment id -> one-line description."""
    return {spec.id: spec.description for spec in environment_specs().values()}
