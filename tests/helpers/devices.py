"""Two logical CPU devices for every TensorFlow test: the mirrored tests need them before first use.

Every worker collects all tests, and tables of layers build Keras layers when they are collected. So the
conftest of each suite that has TensorFlow imports this first.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf

_cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(_cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
