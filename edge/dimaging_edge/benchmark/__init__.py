"""Latency, memory and a latency gate that holds on a busy machine.

    from dimaging_edge.benchmark import bench, read_budget
    report = bench("bundle/vae-fp32", threads=1, budget=read_budget("latency.toml"))
    print(report.table())

`suite.bench` is the entrance; `paired_ratio` explains how graphs are compared with the reference convolution,
`budget` the file format and the verdicts, `cold_start` what a new process is needed for.
"""

from dimaging_edge.benchmark.budget import Budget, BudgetError, Settings, budget_text, read_budget
from dimaging_edge.benchmark.inputs import read_sizes
from dimaging_edge.benchmark.report import GraphReport, Report
from dimaging_edge.benchmark.suite import bench

__all__ = [
    "Budget",
    "BudgetError",
    "GraphReport",
    "Report",
    "Settings",
    "bench",
    "budget_text",
    "read_budget",
    "read_sizes",
]
