"""What kind of network a model is, told by its parts."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from lrfinder_widget.training.network_kind import network_kind


class OwnAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.project = nn.Linear(4, 12)

    def forward(self, inputs):
        return functional.scaled_dot_product_attention(*self.project(inputs).chunk(3, -1))


class BertSelfAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.query = nn.Linear(4, 4)

    def forward(self, inputs):
        return self.query(inputs).softmax(-1)


class ChannelAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.squeeze = nn.Conv2d(3, 3, 1)

    def forward(self, inputs):
        return inputs * self.squeeze(inputs).sigmoid()


class Bare(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))

    def forward(self, inputs):
        return inputs * self.weight


class AttentionOverStates(BertSelfAttention):
    pass


KINDS = [
    ("transformer", nn.TransformerEncoderLayer(8, 2)),
    ("transformer", nn.Sequential(nn.Conv2d(3, 8, 4), nn.MultiheadAttention(8, 2))),
    ("transformer", nn.Sequential(OwnAttention(), nn.Linear(4, 2))),
    ("transformer", nn.Sequential(nn.Embedding(9, 4), BertSelfAttention())),
    ("recurrent", nn.Sequential(nn.Conv1d(3, 4, 3), nn.GRU(4, 4))),
    ("recurrent", nn.Sequential(nn.LSTMCell(4, 4), AttentionOverStates())),
    ("convolutional", nn.Sequential(nn.Conv2d(3, 3, 3), ChannelAttention(), nn.Linear(4, 2))),
    ("convolutional", nn.ConvTranspose1d(3, 3, 3)),
    ("perceptron", nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 2))),
    ("", Bare()),
]


@pytest.mark.parametrize(("kind", "model"), KINDS)
def test_attention_counts_before_recurrence_and_that_before_convolution(kind, model):
    assert network_kind(model) == kind
