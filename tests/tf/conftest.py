"""Two logical CPU devices for every TensorFlow test: the mirrored test needs them before first use."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pytest
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)


@pytest.fixture(scope="session")
def digits():
    """scikit-learn's 8x8 digits as a Dataset."""
    from dimaging_tf import data

    return data.load("digits")
