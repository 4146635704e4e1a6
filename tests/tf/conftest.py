"""What every test of training shares."""

import helpers.devices  # noqa: F401  before the first tensor
import pytest


@pytest.fixture(scope="session")
def digits():
    """scikit-learn's 8x8 digits as a Dataset."""
    from dimaging_tf import data

    return data.load("digits")
