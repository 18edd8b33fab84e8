"""A rate is written into the text of a config, in which nothing else changes."""

import pytest
from ruamel.yaml import YAML

from lrfinder_widget.command.rewriting import BOM, with_rate
from toy import CONFIG, lr_finder

PLAIN = """\
# at the top
model: {class_path: "toy_training:make_model", init_args: {hidden: 4}}  # in flow style

data:   'toy_training:make_data'
optimizer:
# a comment that stands
    # where it likes
    class_path:   torch.optim.SGD   # plain
    init_args:
        # before
        lr: OLD    # to be found
        momentum: 0.9

sweep:   {num_iter:   30}
batch_size: 0x10
# at the end
...
"""
FLOW = """\
{model: m.M, data: m.d,
 optimizer: {class_path: m.O,   init_args: {momentum: OLD, lr: OLD}}, sweep: {start_lr:   OLD} }
"""


def rate(text):
    return YAML(typ="safe").load(text)["optimizer"]["init_args"]["lr"]


@pytest.mark.parametrize("bom", ["", BOM], ids=["", "a byte order mark"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("old", ["1e-3", "0.001", "'0.001'", '"0.001"', ".001", "null", "~"])
@pytest.mark.parametrize("text", [PLAIN, FLOW], ids=["block", "flow"])
def test_no_other_character_changes(text, old, newline, bom):
    before = bom + text.replace("\n", newline).replace("OLD", "0.5")
    before = before.replace("lr: 0.5", f"lr: {old}")
    assert with_rate(before, 0.25) == before.replace(f"lr: {old}", "lr: 0.25", 1)


@pytest.mark.parametrize("rest", ["", "    # to be found"])
def test_a_key_without_a_value_is_given_one(rest):
    text = CONFIG.replace("lr: 0.001  # to be found", f"lr:{rest}")
    assert with_rate(text, 0.25) == CONFIG.replace("lr: 0.001  # to be found", f"lr: 0.25{rest}")


@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("bom", ["", BOM], ids=["", "a byte order mark"])
def test_where_the_key_must_be_added_the_file_keeps_its_newlines_and_its_mark(bom, newline):
    text = CONFIG.replace("    lr: 0.001  # to be found\n", "")
    written = with_rate(bom + text.replace("\n", newline), 0.25)
    added = text.replace("momentum: 0.9\n", "momentum: 0.9\n    lr: 0.25\n")
    assert written == bom + added.replace("\n", newline)


def test_the_file_is_written_byte_for_byte(toy):
    before = (BOM + PLAIN).replace("\n", "\r\n").encode()
    (toy / "toy.yaml").write_bytes(before.replace(b"OLD", b"1e-3"))
    assert lr_finder("apply", "none", "--config", "toy.yaml", "--lr", "1e-5") == 0
    assert (toy / "toy.yaml").read_bytes() == before.replace(b"OLD", b"1.0e-05")


SHARED = {
    "by its value": "lr: &lr 0.001}}\nsweep: {start_lr: *lr}\n",
    "by an alias": "momentum: &lr 0.001, lr: *lr}}\n",
    "by merging": "<<: {lr: 0.001}}}\n",
    "by its arguments": "lr: 0.001}}\nsweep: *arguments\n",
}


@pytest.mark.parametrize("case", SHARED)
def test_what_shares_the_rate_does_not_change_with_it(case):
    text = "optimizer: {class_path: m.O, init_args: &arguments {" + SHARED[case]
    before = YAML(typ="safe").load(text)
    before["optimizer"] = {**before["optimizer"]}
    before["optimizer"]["init_args"] = {**before["optimizer"]["init_args"], "lr": 0.25}
    assert YAML(typ="safe").load(with_rate(text, 0.25)) == before


def test_an_anchor_that_nothing_refers_to_does_no_harm():
    assert rate(with_rate(CONFIG.replace("lr: 0.001", "lr: &lr 0.001"), 0.25)) == 0.25
