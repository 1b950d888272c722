"""Looking at readings: tags found as one types, any window at any zoom, from the lake or the historian.

::

    tag_search       which tags there are, and those that a few words find
    from_lake        a window from the lake; what was read once is kept in bounded memory
    from_historian   the same window from the historian, through its index
    from_rejected    the readings that runs have rejected, as the lake keeps them
    memory           what was read once, while there is room for it
    view             what is seen of a window, whichever of the two it comes from
    jupyter_style    the width and the colours of the page, for the figure
    figure           the view as a Plotly figure
    summary          the view in words
    app              search, list, window and figure as one widget

Plotly and the widgets are imported where they are used.
"""

from __future__ import annotations

from .app import Workbench, explore
from .from_historian import exactly
from .tag_search import TagList, find, tag_list
from .view import View, look, overview

__all__ = ["TagList", "View", "Workbench", "exactly", "explore", "find", "look", "overview", "tag_list"]
