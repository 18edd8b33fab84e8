"""Small models of many kinds: one training step takes a few milliseconds on one core."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor


def dense(
    *sizes: int,
    activation: type[nn.Module] = nn.ReLU,
    norm: type[nn.Module] | None = None,
    dropout: float = 0.0,
) -> nn.Sequential:
    """Return a perceptron that flattens its input first."""
    layers: list[nn.Module] = [nn.Flatten()]
    for size, following in pairwise(sizes[:-1]):
        layers.append(nn.Linear(size, following))
        if norm is not None:
            layers.append(norm(following))
        layers.append(activation())
        if dropout:
            layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))


def digit_cnn() -> nn.Sequential:
    """Return two plain convolutions and a linear layer for digits."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(16 * 4 * 4, 10),
    )


def digit_cnn_batchnorm() -> nn.Sequential:
    """Return three convolutions with BatchNorm, averaged over the image."""
    layers: list[nn.Module] = []
    for channels, following, stride in ((1, 16, 1), (16, 32, 2), (32, 32, 2)):
        layers += [
            nn.Conv2d(channels, following, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(following),
            nn.ReLU(),
        ]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))


class Residual(nn.Module):
    """Two convolutions with normalization beside a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """Add the branch to the shortcut."""
        return torch.relu(inputs + self.branch(inputs))


def patch_resnet() -> nn.Sequential:
    """Return a residual net over colour patches with six classes."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, stride=2, padding=1),
        nn.ReLU(),
        Residual(16),
        Residual(16),
        nn.Flatten(),
        nn.Linear(16 * 5 * 5, 6),
    )


def patch_cnn_groupnorm() -> nn.Sequential:
    """Return convolutions with GroupNorm over colour patches with two classes."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, stride=2, padding=1),
        nn.GroupNorm(4, 16),
        nn.GELU(),
        nn.Conv2d(16, 16, 3, padding=1),
        nn.GroupNorm(4, 16),
        nn.GELU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 2),
    )


def patch_autoencoder() -> nn.Sequential:
    """Return a convolutional autoencoder with a code of 32 numbers for 192."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 8, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(8, 16, 2, stride=2),
        nn.ReLU(),
        nn.ConvTranspose2d(16, 3, 2, stride=2),
    )


def patch_denoiser() -> nn.Sequential:
    """Return three convolutions that keep the size of the patch."""
    return nn.Sequential(
        nn.Conv2d(3, 12, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(12, 12, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(12, 3, 3, padding=1),
    )


class Recurrent(nn.Module):
    """An LSTM or GRU whose last state decides the output."""

    def __init__(
        self, cell: type[nn.LSTM | nn.GRU], inputs: int, hidden: int, outputs: int
    ) -> None:
        super().__init__()
        self.body = cell(inputs, hidden, batch_first=True)
        self.head = nn.Linear(hidden, outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """Read the sequence, then answer once."""
        states, _ = self.body(inputs)
        return self.head(states[:, -1])


class CharacterRecurrent(nn.Module):
    """An LSTM or GRU that predicts the next character at each place."""

    def __init__(self, cell: type[nn.LSTM | nn.GRU], characters: int, hidden: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(characters, hidden)
        self.body = cell(hidden, hidden, batch_first=True)
        self.head = nn.Linear(hidden, characters)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the classes in the second dimension, where the cross-entropy wants them."""
        states, _ = self.body(self.embedding(inputs))
        return self.head(states).transpose(1, 2)


class Block(nn.Module):
    """A block of a transformer, normalized before each part."""

    def __init__(self, width: int, heads: int, *, causal: bool) -> None:
        super().__init__()
        self.heads = heads
        self.causal = causal
        self.before_attention = nn.LayerNorm(width)
        self.mix = nn.Linear(width, 3 * width)
        self.merge = nn.Linear(width, width)
        self.think = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """Attend, then think about each place alone."""
        rows, places, width = inputs.shape
        mixed = self.mix(self.before_attention(inputs))
        parts = mixed.view(rows, places, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        attended = nn.functional.scaled_dot_product_attention(*parts, is_causal=self.causal)
        inputs = inputs + self.merge(attended.transpose(1, 2).reshape(rows, places, width))
        return inputs + self.think(inputs)


class Transformer(nn.Module):
    """A small transformer: one answer per sequence, or if causal one per place."""

    def __init__(
        self, embedding: nn.Module, places: int, outputs: int, *, causal: bool, depth: int
    ) -> None:
        super().__init__()
        width = 32
        self.causal = causal
        self.embedding = embedding
        self.place = nn.Parameter(0.02 * torch.randn(places, width))
        self.blocks = nn.Sequential(*(Block(width, 4, causal=causal) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the classes in the second dimension in both cases."""
        states = self.norm(self.blocks(self.embedding(inputs) + self.place))
        if self.causal:
            return self.head(states).transpose(1, 2)
        return self.head(states.mean(dim=1))


def character_transformer(characters: int, places: int) -> Transformer:
    """Return a transformer that predicts the next character at each place."""
    return Transformer(nn.Embedding(characters, 32), places, characters, causal=True, depth=2)


def row_transformer() -> Transformer:
    """Return a transformer that takes the rows of a digit for words."""
    return Transformer(nn.Linear(8, 32), 8, 10, causal=False, depth=1)


def character_mlp(characters: int, places: int) -> nn.Sequential:
    """Return a perceptron over embedded characters that predicts the next one."""
    return nn.Sequential(
        nn.Embedding(characters, 12),
        nn.Flatten(),
        nn.Linear(12 * places, 64),
        nn.Tanh(),
        nn.Linear(64, characters),
    )


class SnippetCnn(nn.Module):
    """Convolutions over embedded characters, their strongest answers to a linear layer."""

    def __init__(self, characters: int, outputs: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(characters, 16)
        self.body = nn.Sequential(nn.Conv1d(16, 32, 5, stride=2), nn.ReLU())
        self.head = nn.Linear(32, outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """Embed, convolve, take the maximum over the places."""
        found = self.body(self.embedding(inputs).transpose(1, 2))
        return self.head(found.amax(dim=2))


class WordBag(nn.Module):
    """The mean of embedded words, and a linear layer."""

    def __init__(self, words: int, outputs: int) -> None:
        super().__init__()
        self.embedding = nn.EmbeddingBag(words, 16)
        self.head = nn.Linear(16, outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """Average, then answer."""
        return self.head(self.embedding(inputs))


class WaveCnn(nn.Module):
    """Dilated convolutions over a wave, and a linear layer that continues it."""

    def __init__(self, length: int, outputs: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv1d(1, 12, 3, padding=1),
            nn.ReLU(),
            nn.Conv1d(12, 12, 3, padding=2, dilation=2),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(12 * length, outputs),
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """Take the values for the only channel."""
        return self.body(inputs.transpose(1, 2))
