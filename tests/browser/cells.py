"""Cells that the notebooks in these tests are made of."""

MODEL = """
import time

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lrfinder_widget import LRFinderWidget

torch.set_num_threads(1)
torch.manual_seed(0)


class Pause(nn.Module):
    \"\"\"Makes every step take as long as one of a larger model.\"\"\"

    def __init__(self, seconds):
        super().__init__()
        self.seconds = seconds

    def forward(self, inputs):
        time.sleep(self.seconds)
        return inputs


inputs = torch.randn(1024, 20)
targets = (inputs @ torch.randn(20, 2)).argmax(1)
loader = DataLoader(TensorDataset(inputs, targets), batch_size=32, shuffle=True)


def fresh(seconds):
    global model, opt
    model = nn.Sequential(Pause(seconds), nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 2))
    opt = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    return model, opt, loader


def weights():
    return [parameter.detach().clone() for parameter in model.parameters()]
"""

STEP = 0.02  # seconds, of a slow sweep


def sweep(points: int, seconds: float = STEP) -> str:
    """Start a sweep that goes on to its last point, however the loss behaves."""
    return (
        f"w = LRFinderWidget(*fresh({seconds}), num_iter={points}, diverge_threshold=None)\n"
        "before = weights()\n"
        "heard = []\n"
        "w.observe(lambda change: heard.append((time.time(), change.new['state'])), 'status')\n"
        "w.show()"
    )


SHORT = sweep(60, 0.002)
LONG = sweep(3000)

# Spins in Python until a subshell says so, or for half a minute.
SPIN = """
end, spinning, limit = False, True, time.time() + 30
while not end and time.time() < limit:
    pass
spinning = False
"""
STOP_SPINNING = "globals().update(end=True)"

UNTOUCHED = "all(torch.equal(a, b) for a, b in zip(before, weights(), strict=True))"
STATE = "w.status['state']"
RATE = "opt.param_groups[0]['lr']"
