"""The widget, the messages it speaks, and what differs between hosts."""

from lrfinder_widget.widget.widget import LRFinderWidget

__all__ = ["LRFinderWidget"]
