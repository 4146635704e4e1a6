"""A model whose `fit` does several things in turn, told apart by the count of its optimizer's steps.

Each phase is compiled as a step of its own. (A branch inside of one step would do on one device; but no
optimizer of a replica may work in a branch.)
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

import keras

from dimaging_tf.deployable import DeployableModel
from dimaging_tf.training.callbacks import steps_done


class Phased(DeployableModel):
    """Override `phases`; each of its steps counts the optimizer's `iterations` on by 1."""

    phase = 0
    """Index of the phase that `train_step` is of; `fit` sets it before each step."""

    @abstractmethod
    def phases(self) -> Sequence[tuple[Callable[..., Any], int]]:
        """A step (images, labels) and how many of them, of each; the last one goes on to the end."""

    def train_step(self, data):
        """One step of the phase. data: images, labels."""
        image, label, _ = keras.utils.unpack_x_y_sample_weight(data)
        step, _ = self.phases()[self.phase]
        return step(image, label)

    def steps_to_last_phase(self) -> int:
        """How many are left before the last phase begins, which has learned nothing until then."""
        before = sum(count for _, count in self.phases()[:-1])
        return max(0, before - steps_done(self))

    def make_train_function(self, force=False):
        """One for each phase, traced in its first step."""
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
