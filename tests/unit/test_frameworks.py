"""The frameworks that the sweep works with live in one process, on one torch."""

import importlib
import sys
from importlib.metadata import distributions
from importlib.util import find_spec

from torch import nn

# A class of each that is a torch module, or is made for one.
FRAMEWORKS = {
    "lightning": "LightningModule",
    "transformers": "PreTrainedModel",
    "accelerate": "Accelerator",
    "keras": "Model",
    "torchdata.stateful_dataloader": "StatefulDataLoader",
    "skorch": "NeuralNet",
    "ignite.engine": "Engine",
}


def test_all_frameworks_are_imported_together_on_one_torch_and_without_torchvision():
    found = {name: getattr(importlib.import_module(name), FRAMEWORKS[name]) for name in FRAMEWORKS}
    for name in ("lightning", "transformers", "keras"):
        assert issubclass(found[name], nn.Module)
    assert [each.name for each in distributions() if each.name in ("torch", "torchvision")] == [
        "torch"
    ]
    assert find_spec("torchvision") is None
    assert "torchvision" not in sys.modules
    assert importlib.import_module("keras").backend.backend() == "torch"
