"""Attacks on classifiers, numpy around one contract: on a bundle, on Keras, on anything that gives scores.

    from dimaging_edge import attacks, open_bundle
    oracle = attacks.of_bundle(open_bundle("bundle/classifier-int8"))
    result = attacks.pgd(oracle, x, y, attacks.Threat("linf", 8 / 255))
    result.success, result.norms, result.queries

`ATTACKS` names them all; each takes (oracle, x, y, threat, *, seed=0) and settings of its own, and gives a
Result.
"""

from dimaging_edge.attacks.apgd import apgd
from dimaging_edge.attacks.ddn import ddn
from dimaging_edge.attacks.deepfool import deepfool
from dimaging_edge.attacks.evasion import evade
from dimaging_edge.attacks.fgsm import fgsm
from dimaging_edge.attacks.oracle import OnnxOracle, Scores, bounds_of, of_bundle, of_file
from dimaging_edge.attacks.pgd import bim, momentum, pgd
from dimaging_edge.attacks.rays import rays
from dimaging_edge.attacks.robust import robust, survival
from dimaging_edge.attacks.square import square
from dimaging_edge.attacks.synthesis import synthesise
from dimaging_edge.attacks.table import ATTACKS, Result
from dimaging_edge.attacks.threat import Threat, read_eps
from dimaging_edge.attacks.wrapped import Bpda, Eot, Transfer

__all__ = [
    "ATTACKS", "Bpda", "Eot", "OnnxOracle", "Result", "Scores", "Threat", "Transfer", "apgd", "bim",
    "bounds_of", "ddn", "deepfool", "evade", "fgsm", "momentum", "of_bundle", "of_file", "pgd", "rays",
    "read_eps", "robust", "square", "survival", "synthesise",
]  # fmt: skip
