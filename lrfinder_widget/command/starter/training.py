"""The model, the data and the training for lr_finder.yaml. All of it is yours to change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from ruamel.yaml import YAML
from torch import nn
from torch.utils.data import DataLoader, Dataset, Subset

CONFIG = Path(__file__).with_name("lr_finder.yaml")
ENDINGS = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp"}
EPOCHS = 20


def classes_in(images: str) -> list[Path]:
    """Return the folders of the classes, in order."""
    return sorted(path for path in Path(images).iterdir() if path.is_dir())


class Images(Dataset[tuple[torch.Tensor, int]]):
    """The images of a folder that holds one folder for each class."""

    def __init__(self, images: str, image_size: int) -> None:
        self.size = image_size
        self.samples = [
            (path, number)
            for number, folder in enumerate(classes_in(images))
            for path in sorted(folder.rglob("*"))
            if path.suffix.lower() in ENDINGS
        ]

    def __len__(self) -> int:
        """Return how many images there are."""
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        """Return an image, its values around 0, and the number of its class."""
        path, number = self.samples[index]
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB").resize((self.size, self.size)))
        return torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 127.5 - 1, number


def make_data(
    images: str,
    image_size: int = 64,
    batch_size: int = 32,
    *,
    fold: int = 0,
    folds: int = 5,
    seed: int = 0,
) -> tuple[DataLoader[Any], DataLoader[Any]]:
    """Return a loader for training, and one for validation on fold `fold` of `folds`."""
    data = Images(images, image_size)
    order = np.random.default_rng(0).permutation(len(data)).tolist()
    held_out = order[fold::folds]
    rest = sorted(set(order) - set(held_out))
    shuffle = torch.Generator().manual_seed(seed)
    return (
        DataLoader(Subset(data, rest), batch_size, shuffle=True, generator=shuffle),
        DataLoader(Subset(data, held_out), batch_size),
    )


def make_model(images: str, width: int = 8) -> nn.Module:
    """Return a small convolutional network with one output for each class."""
    layers: list[nn.Module] = []
    channels = 3
    for step in range(3):
        wider = width * 2**step
        layers += [
            nn.Conv2d(channels, wider, kernel_size=3, stride=2, padding=1),
            nn.BatchNorm2d(wider),
            nn.ReLU(),
        ]
        channels = wider
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, len(classes_in(images)))]
    return nn.Sequential(*layers)


def train() -> None:
    """Train with the learning rate in lr_finder.yaml, and save the weights to model.pt."""
    config = YAML(typ="safe").load(CONFIG)
    torch.manual_seed(0)
    data = {"batch_size": config["batch_size"], **config["data"]["init_args"]}
    loader, validation = make_data(**data)
    model = make_model(**config["model"]["init_args"])
    optimizer = torch.optim.SGD(model.parameters(), **config["optimizer"]["init_args"])
    loss_fn = nn.CrossEntropyLoss()
    for epoch in range(1, EPOCHS + 1):
        model.train()
        for inputs, targets in loader:
            optimizer.zero_grad()
            loss_fn(model(inputs), targets).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            hits = [(model(inputs).argmax(1) == targets) for inputs, targets in validation]
        print(f"epoch {epoch}: {torch.cat(hits).float().mean():.0%} of the held-out images right")
    torch.save(model.state_dict(), "model.pt")


if __name__ == "__main__":
    train()
