"""The finding on a function of the user's that was to be the rule."""

from __future__ import annotations

from lrfinder_widget.analysis.findings.finding import Finding


def failed_rule(label: str, error: Exception) -> Finding:
    """Say what a rule raised; the curve and the suggestions of the other rules are there."""
    return Finding(
        "failed_rule",
        "error",
        f"Your rule {label} failed with {type(error).__name__}: {error}. The curve is whole: mend "
        "the rule and pass it to suggest(), or take another rule's suggestion.",
    )
