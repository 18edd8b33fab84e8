"""What kind of network a model is, told by its parts."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from lrfinder_widget import lr_find
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


def plain():
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))


COMPILED = [
    ("perceptron", lambda: torch.jit.script(plain())),
    ("perceptron", lambda: torch.jit.trace(plain(), torch.zeros(4, 6))),
    ("convolutional", lambda: torch.jit.script(nn.Conv1d(3, 3, 3))),
    ("recurrent", lambda: torch.jit.script(nn.GRU(4, 4))),
    ("transformer", lambda: torch.jit.script(nn.Sequential(BertSelfAttention()))),
]


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize(("kind", "build"), COMPILED)
def test_what_torchscript_compiled_is_told_by_what_it_was(kind, build):
    assert network_kind(build()) == kind


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("build", [build for _, build in COMPILED[:2]], ids=["script", "trace"])
def test_a_model_that_torchscript_compiled_is_swept_and_put_back(build):
    torch.manual_seed(0)
    model = build()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    batch = torch.randn(8, 6), torch.randint(3, (8,))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    result = lr_find(model, optimizer, [batch], num_iter=10, progress=False)
    assert len(result.losses) > 5
    assert all(torch.equal(before[name], each) for name, each in model.state_dict().items())


class AnswersByRaising:
    def __get__(self, instance, owner):
        raise RuntimeError("no forward here")


def test_a_class_that_does_not_tell_its_forward_has_a_kind_all_the_same():
    kind = type("Own", (nn.Linear,), {"forward": AnswersByRaising()})
    assert network_kind(kind(4, 2)) == "perceptron"
