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
    .sensorstream-explore {
      --ink: var(--jp-content-font-color1, #767676);
      /* Seen on both themes; the one that comes along is dark on dark. */
      --jp-widgets-dropdown-arrow: url("data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' \
viewBox='0 0 18 18'%3E%3Cpath fill='none' stroke='%23888' stroke-width='2' d='M5 7l4 4 4-4'/%3E%3C/svg%3E");
    }
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
