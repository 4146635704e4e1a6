"""How robust a classifier is: attacks, gates that an honest evaluation passes, and a figure only if they
hold.

    from dimaging_edge.robustness import evaluate_bundle
    report = evaluate_bundle(open_bundle("bundle/classifier-int8"), x, y, "linf", 8 / 255)
    print(report.table())
"""

from dimaging_edge.robustness.case import GATES, Claim
from dimaging_edge.robustness.certificate import Certified, certify
from dimaging_edge.robustness.ensemble import PLANS, Step
from dimaging_edge.robustness.evaluate import evaluate, evaluate_bundle
from dimaging_edge.robustness.report import Report, Verdict, wilson

__all__ = [
    "GATES",
    "PLANS",
    "Certified",
    "Claim",
    "Report",
    "Step",
    "Verdict",
    "certify",
    "evaluate",
    "evaluate_bundle",
    "wilson",
]
