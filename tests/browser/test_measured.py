"""Gradient norms, validation losses and parameter groups on the page."""

import pytest
from playwright.sync_api import expect

from cells import MODEL, STATE
from test_looks import THEMES, set_theme, violations

TWO_GROUPS = """
model, *_ = fresh(0.005)
opt = torch.optim.SGD(
    [
        {"params": model[1].parameters(), "lr": 1e-4, "name": "body"},
        {"params": model[-1].parameters(), "lr": 1e-3, "name": "head"},
    ],
    momentum=0.9,
)
scheduler = torch.optim.lr_scheduler.StepLR(opt, 10)
w = LRFinderWidget(
    model, opt, loader, scheduler=scheduler, val_loader=loader, val_batches=1, grad_norms=True
).show()
"""
RATES = "[group['lr'] for group in opt.param_groups]"


@pytest.mark.parametrize("theme", THEMES)
def test_norms_and_groups_are_shown_before_and_after_apply(notebook, shots, record_property, theme):
    tab = notebook([MODEL, TWO_GROUPS])
    set_theme(tab, theme)
    tab.run(0)
    tab.run(1)
    tab.root.locator(".lrf-norms canvas").wait_for()
    tab.until(f"{STATE} == 'done'")
    tab.settled()
    groups = tab.root.get_by_role("list", name="Parameter groups").get_by_role("listitem")
    expect(tab.root.locator(".lrf-validation")).to_have_text("validation loss")
    tab.rate_field.fill("2e-3")
    tab.rate_field.press("Enter")
    expect(groups).to_have_text(["body: 1e-4 → 2e-3", "head: 1e-3 → 2e-2"])
    assert tab.evaluate(RATES) == [1e-4, 1e-3]
    tab.root.screenshot(path=shots / f"groups-{theme}.png")
    tab.button("Apply").click()
    expect(tab.root.locator(".lrf-outcome")).to_have_text("Applied 2e-3")
    expect(groups).to_have_text(["body: 1e-4 → 2e-3", "head: 1e-3 → 2e-2"])
    assert tab.evaluate(RATES) == pytest.approx([2e-3, 2e-2])
    assert tab.evaluate("scheduler.base_lrs") == pytest.approx([2e-3, 2e-2])
    expect(tab.root.locator(".lrf-foot")).to_contain_text("StepLR")
    tab.root.screenshot(path=shots / f"groups-applied-{theme}.png")
    assert violations(tab, record_property) == []
    tab.button("Undo").click()
    expect(groups).to_have_text(["body: 1e-4 → 2e-3", "head: 1e-3 → 2e-2"])
    expect(tab.root.locator(".lrf-outcome")).to_have_text("2 parameter groups")
    tab.until(f"{RATES} == [1e-4, 1e-3]")
