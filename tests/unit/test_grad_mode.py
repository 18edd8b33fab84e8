"""A sweep trains with gradients on, whatever the caller's grad mode, and leaves that as it was."""

import pytest
import torch

from evidence import new_training
from lrfinder_widget import lr_find

pytestmark = pytest.mark.usefixtures("one_torch_thread")

OFF = {"no_grad": torch.no_grad, "inference_mode": torch.inference_mode}


def by_lr_find(training):
    return lr_find(
        training.model,
        training.optimizer,
        training.loader,
        training.loss_fn,
        num_iter=4,
        progress=False,
    ).losses


def point_by_point(training):
    losses = []
    for point in training.sweep(num_iter=4):
        assert not torch.is_grad_enabled()
        losses.append(point.loss)
    return losses


WAYS = {"lr_find": by_lr_find, "next": point_by_point}


@pytest.mark.parametrize("off", OFF.values(), ids=OFF)
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_gradients_are_on_in_the_sweep_and_off_again_afterwards(way, off):
    training = new_training()
    with off():
        losses = way(training)
        assert not torch.is_grad_enabled()
        assert torch.is_inference_mode_enabled() == (off is torch.inference_mode)
    assert len(losses) == 4


@pytest.mark.parametrize("off", OFF.values(), ids=OFF)
def test_a_sweep_that_fails_leaves_the_grad_mode_too(off):
    training = new_training()

    def fails(output, target):
        raise RuntimeError("in the loss")

    training.loss_fn = fails
    with off():
        with pytest.raises(RuntimeError, match="in the loss"):
            by_lr_find(training)
        assert not torch.is_grad_enabled()
    assert torch.is_grad_enabled()
