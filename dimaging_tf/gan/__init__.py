"""What GAN, DCGAN and StackGAN share: the step, losses, optimizers, the monitor of collapse.

`GANMonitor` is the callback for fit scripts; it loads on first use.
"""

from typing import TYPE_CHECKING

from dimaging_edge.common.lazy import lazy_names

if TYPE_CHECKING:
    from dimaging_tf.gan.monitor import GANMonitor, GANWarning

__all__ = ["GANMonitor", "GANWarning"]

__getattr__ = lazy_names(__name__, dict.fromkeys(__all__, "monitor"))
