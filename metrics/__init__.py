"""Metrics: pure functions of a trace, nothing else."""

from emcoop.metrics.registry import Metric as Metric
from emcoop.metrics.registry import list_metrics as list_metrics
from emcoop.metrics.registry import metric as metric
from emcoop.metrics.registry import score_trace as score_trace
