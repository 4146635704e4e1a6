"""The area under the ROC curve, by hand and beside scikit-learn's."""

import numpy as np
import pytest

from dimaging_tf.evaluation import metrics


@pytest.mark.parametrize(
    ("score", "label", "area"),
    [
        ([1, 2, 3, 4], [0, 0, 1, 1], 1.0),
        ([4, 3, 2, 1], [0, 0, 1, 1], 0.0),
        ([1, 1, 1, 1], [0, 1, 0, 1], 0.5),
        ([1, 2, 2, 3], [0, 0, 1, 1], 0.875),  # one of four pairs is a tie
    ],
)
def test_auc(score, label, area):
    assert metrics.auc(np.array(score), np.array(label)) == area


def test_auc_is_that_of_scikit_learn():
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    score, label = rng.integers(0, 20, 300), rng.integers(0, 2, 300)
    assert metrics.auc(score, label) == pytest.approx(roc_auc_score(label, score), abs=1e-12)
    with pytest.raises(ValueError, match="an AUC needs labels 0 and 1; received 0 ones of 3"):
        metrics.auc(score[:3], np.zeros(3, int))
