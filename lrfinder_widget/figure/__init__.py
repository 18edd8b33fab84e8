"""Pictures of a result: Plotly to explore, Matplotlib to keep."""

from lrfinder_widget.figure.interactive import plotly_figure
from lrfinder_widget.figure.static import matplotlib_plot, png

__all__ = ["matplotlib_plot", "plotly_figure", "png"]
