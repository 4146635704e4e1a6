"""Models that train in phases, one after the other; the count of optimizer steps says which one is on.

Each phase is compiled as a step of its own. (On one device a branch inside a single step would do as well,
but under tf.distribute an optimizer may not work inside a branch.)
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

import keras

from dimaging_tf.deployable import DeployableModel
from dimaging_tf.training.callbacks import steps_done


class Phased(DeployableModel):
    """Base of models that train in phases: a subclass overrides `phases`."""

    phase = 0
    """Index of the phase whose step `train_step` takes; `fit` sets it before each step."""

    @abstractmethod
    def phases(self) -> Sequence[tuple[Callable[..., Any], int]]:
        """Return (step, number of steps) for each phase; the last phase goes on to the end.

        A step takes (images, labels), increments the optimizer's `iterations` by 1, and returns the logs.
        """

    def train_step(self, data):
        """Take one step of the current phase. data: (images, labels)."""
        image, label, _ = keras.utils.unpack_x_y_sample_weight(data)
        step, _ = self.phases()[self.phase]
        return step(image, label)

    def steps_to_last_phase(self) -> int:
        """Return how many steps are left until the last phase begins, which has learned nothing before."""
        before = sum(count for _, count in self.phases()[:-1])
        return max(0, before - steps_done(self))

    def make_train_function(self, force=False):
        """Make a train function for each phase; it is traced in the phase's first step."""
        if self.train_function is not None and not force:
            return
        steps = []
        for _ in self.phases():
            super().make_train_function(force=True)
            steps.append(self.train_function)
        ends = list(accumulate(count for _, count in self.phases()))[:-1]

        def step(iterator):
            done = steps_done(self)
            self.phase = sum(done >= end for end in ends)
            return steps[self.phase](iterator)

        self.train_function = step
