"""The process of one rank: carries out orders from its standard input, one a line."""

import contextlib
import json
import os
import sys
import time
import traceback
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "unit")]

import scenarios_of_ending  # noqa: E402 - after their place is known
import scenarios_of_failing  # noqa: E402
import scenarios_of_finding  # noqa: E402
import scenarios_of_leaving  # noqa: E402

SCENARIOS = {
    **vars(scenarios_of_ending),
    **vars(scenarios_of_failing),
    **vars(scenarios_of_finding),
    **vars(scenarios_of_leaving),
}


def carry_out(order):
    dist.init_process_group(
        "gloo",
        init_method=f"tcp://127.0.0.1:{order['port']}",
        rank=order["rank"],
        world_size=order["size"],
        timeout=timedelta(seconds=order["options"].pop("timeout", 60)),
    )
    began = time.monotonic()
    try:
        scenario = SCENARIOS[order["scenario"]]
        answer = {"value": scenario(order["rank"], *order["arguments"], **order["options"])}
    except BaseException as error:  # noqa: BLE001 - it is the answer
        answer = {
            "error": type(error).__name__,
            "message": "\n".join([str(error), *getattr(error, "__notes__", ())]),
            "traceback": traceback.format_exc(),
        }
    answer["seconds"] = time.monotonic() - began
    dist.destroy_process_group()
    return answer


def main():
    torch.set_num_threads(1)
    # What a scenario prints is not an answer.
    with os.fdopen(os.dup(1), "w") as answers, contextlib.redirect_stdout(sys.stderr):
        for line in sys.stdin:
            answers.write(json.dumps(carry_out(json.loads(line))) + "\n")
            answers.flush()


main()
