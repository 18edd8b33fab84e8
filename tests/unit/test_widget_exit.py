"""A script that ends with a widget still open."""

import subprocess
import sys

SCRIPT = """
import torch

from lrfinder_widget import LRFinderWidget

model = torch.nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
batches = [(torch.randn(8, 4), torch.zeros(8, dtype=torch.long))] * 8
widget = LRFinderWidget(model, optimizer, batches, num_iter=8)
widget.run()
widget.wait()
print("the end")
"""


def test_the_interpreter_exits_although_the_widget_was_never_closed():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "the end\n", "")
