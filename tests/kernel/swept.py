"""What the kernel tests sweep, and how they read what the widget says."""

import struct
from itertools import count

from real_kernel import RealKernel

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"

SETUP = """
import random
import threading
import time

import numpy as np
import torch
from torch import nn

from lrfinder_widget import LRFinderError, LRFinderWidget, SweepInProgressError, lr_find

torch.set_num_threads(1)
widgets = []


class Paced(nn.Module):
    \"\"\"Makes every step take a while, as a larger model's does.\"\"\"

    def __init__(self, seconds):
        super().__init__()
        self.seconds = seconds

    def forward(self, inputs):
        time.sleep(self.seconds)
        return inputs


def fresh(seconds=0.002, *more, workers=0, samples=256):
    global model, opt, loader, before
    torch.manual_seed(0)
    inputs = torch.randn(samples, 20)
    data = torch.utils.data.TensorDataset(inputs, (inputs @ torch.randn(20, 2)).argmax(1))
    loader = torch.utils.data.DataLoader(data, batch_size=32, num_workers=workers)
    model = nn.Sequential(Paced(seconds), nn.Linear(20, 8), *more, nn.ReLU(), nn.Linear(8, 2))
    opt = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    before = weights()


def weights():
    return [parameter.detach().clone() for parameter in model.parameters()]


def restored():
    same = all(map(torch.equal, before, weights()))
    return same and opt.param_groups[0]["lr"] == 1e-3 and not opt.state


def hooks():
    owners = [*model.modules(), opt]
    guarded = sum("_compiled_call_impl" in vars(owner) for owner in owners)
    return guarded + sum(
        len(held)
        for owner in owners
        for name, held in vars(owner).items()
        if name.endswith("_hooks") and isinstance(held, dict)
    )


def widget(num_iter=1_000_000, **settings):
    # Norms are recorded where that takes little time, which is another matter each time.
    settings = {"end_lr": 0.1, "diverge_threshold": None, "grad_norms": False, **settings}
    widgets.append(LRFinderWidget(model, opt, loader, num_iter=num_iter, **settings))
    return widgets[-1]


def elsewhere(function):
    \"\"\"Call a function in another thread; return what it raises, as text.\"\"\"
    raised = []

    def call():
        try:
            function()
        except Exception as error:
            raised.append(f"{type(error).__name__}: {error}")

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    return raised[0] if raised else ""


def close_all():
    while widgets:
        widgets.pop().close()
"""

# Ends with `spun`; a subshell sets `end`, or 20 seconds pass.
SPIN = """
end, spinning, limit = False, True, time.monotonic() + 20
while not end and time.monotonic() < limit:
    pass
spinning = False
"""

STATE = "w.status['state']"
COUNT = "len(w._runner.points)"
ids = count(1_000_000)


def request(kind: str, **fields) -> dict:
    """A page's request with an id of its own."""
    return {"kind": kind, "id": next(ids), **fields}


def show(kernel: RealKernel, code: str = "fresh(); w = widget(); w.show()") -> str:
    """Run a cell that shows a widget `w`; return the widget's comm."""
    kernel.run(code)
    return kernel.comm_of("w")


def single(values: list[float]) -> list[float]:
    """Numbers as they are after their way in a live block, which has float32."""
    return [*struct.unpack(f"<{len(values)}f", struct.pack(f"<{len(values)}f", *values))]


def blocks(kernel: RealKernel, comm: str, run: int = 1) -> list[tuple[int, dict[str, list]]]:
    """Offsets and columns of the points messages so far."""
    found = []
    for content, buffers in kernel.customs(comm, "points"):
        if content["run"] == run:
            numbers = content.get("data")
            if numbers is None:
                numbers = [value for (value,) in struct.iter_unpack("<f", buffers[0])]
            count, names = content["count"], content["columns"]
            assert len(numbers) == len(names) * count
            columns = {n: numbers[at * count : (at + 1) * count] for at, n in enumerate(names)}
            found.append((content["offset"], columns))
    return found


def curve(kernel: RealKernel, comm: str, run: int = 1) -> list[tuple]:
    """The rates and losses as a page keeps them: appended by offset, what it has ignored."""
    points: list[tuple] = []
    for offset, columns in blocks(kernel, comm, run):
        pairs = list(zip(columns["lrs"], columns["losses"], strict=True))
        if offset <= len(points):
            points += pairs[len(points) - offset :]
    return points


def states(kernel: RealKernel, comm: str) -> list[dict]:
    """What `update` messages have said so far, oldest first."""
    kernel.pump()
    return [
        message["content"]["data"]["state"]
        for message in kernel.iopub
        if message["msg_type"] == "comm_msg"
        and message["content"]["comm_id"] == comm
        and message["content"]["data"].get("method") == "update"
    ]
