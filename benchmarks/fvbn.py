"""Fully visible belief network on binarised MNIST: nats of the whole valid split after 20 minutes of training.

    python benchmarks/fvbn.py --data DIR      DIR holds binarized_mnist.npz (or set DIMAGING_DATA)

Fixed binarisation, shuffled for training, all cores, the settings of `dimaging train fvbn`. Judged is the
checkpoint that was best on the same split, as `dimaging export` takes it.
"""

import sys

from parts.binarized import long_training

if __name__ == "__main__":
    sys.exit(long_training("fvbn", __doc__, "<= 90"))
