"""What Plotly's widget lacks in JupyterLab: the width of its cell, and the colours of the theme."""

from __future__ import annotations

import anywidget


class Fit(anywidget.AnyWidget):
    """Invisible; tells the figures beside it when there is more room or less, and brings their style."""

    # Plotly measures itself only when the window changes, and not at all before it stands in the page.
    _esm = """
    export default {
      render({ el }) {
        const tell = () => window.dispatchEvent(new Event("resize"));
        const watch = new ResizeObserver(() => {
          const root = el.closest(".sensorstream-explore");
          if (root) watch.observe(root);
          tell();
        });
        watch.observe(el);
        return () => watch.disconnect();
      },
    };
    """
    _css = """
    .sensorstream-explore { --ink: var(--jp-content-font-color1, #767676); }
    .sensorstream-explore .js-plotly-plot text { fill: var(--ink) !important; }
    .sensorstream-explore .js-plotly-plot .hoverlayer text { fill: #fff !important; }
    .sensorstream-explore select { font-family: var(--jp-code-font-family, monospace); }
    .sensorstream-explore table { border-collapse: collapse; margin: 4px 0; color: var(--ink); }
    .sensorstream-explore th, .sensorstream-explore td {
      padding: 2px 16px 2px 0; text-align: left; line-height: 1.5; font-variant-numeric: tabular-nums;
    }
    .sensorstream-explore th { border-bottom: 1px solid var(--jp-border-color1, #999); }
    .sensorstream-explore td.n, .sensorstream-explore th.n { text-align: right; }
    """
