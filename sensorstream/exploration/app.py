"""The workbench: search, list, window and figure as one widget, in JupyterLab or any front end of Jupyter."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from html import escape
from typing import TYPE_CHECKING, Any, Literal

from ..config.settings import Config
from ..errors import ConfigError, LakeError, SensorStreamError
from ..extras import needs
from ..lake import scan
from ..report.charts import Picture
from ..windows import Window, zone
from . import from_historian as historian
from .figure import Arrangement, axis_zone, drawn, padded, window_seen
from .summary import facts, silences, status
from .tag_search import TagList, find, tag_list
from .view import Reader, Source, View

if TYPE_CHECKING:
    import ipywidgets

SHOWN = 50  # tags of a search
POINTS = 2000  # of a line: more than a screen has in width
MOST_TAGS = 8
WAIT_SECONDS = 0.25  # after the last move of the pointer
SPANS = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
    "month": timedelta(days=30),
    "year": timedelta(days=365),
}
BUTTONS = ["zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d", "toImage"]
CONFIG = {"modeBarButtons": [BUTTONS], "displaylogo": False, "scrollZoom": True, "showTips": False, "responsive": True}
ALL = ("all", "")  # no None, which a dropdown shows as nothing
CHOOSE = "Choose a tag in the list, several with Ctrl or Shift. Drag in the plot to zoom; double-click: back."
EMPTY_LAKE = "In the sandbox, make demo fills the lake; the historian can be looked at without one."


def explore(
    config: Config, tagpaths: Sequence[str] = (), window: Window | None = None, *, source: Source = "lake"
) -> Workbench:
    """A workbench on the lake and the historian of ``config``; a notebook shows it as a widget.

    Parameters
    ----------
    config
        Where historian and lake are, see ``load``.
    tagpaths
        Tags that are looked at to begin with.
    window
        By default the last day of which the lake holds a reading, of ``tagpaths`` where any are given.
    source
        ``lake``, or ``historian`` for what a run would make of the window now.

    Returns
    -------
    Workbench
        The last cell of a notebook shows it; ``show``, ``readings`` and ``view`` serve code.

    Raises
    ------
    SensorStreamError
        From ``readings`` alone; elsewhere its sentence is ``problem`` and stands in place of the figure.
    """
    needs("explore", lab=("ipywidgets", "plotly", "anywidget", "tsdownsample"))
    return Workbench(config, tagpaths, window, source=source)


class Workbench:
    """What is looked at: ``tags``, ``window``, ``source`` and the ``view`` of them.

    ``problem`` is the sentence that stands in place of a figure where there is nothing to see.
    """

    def __init__(
        self, config: Config, tagpaths: Sequence[str] = (), window: Window | None = None, *, source: Source = "lake"
    ) -> None:
        self.config = config
        self.reader = Reader(config)
        self.problem: str | None = None
        self.known = self._said(lambda: tag_list(config)) or TagList((), {})
        self.window = window or self._said(lambda: scan.last_day(config, tagpaths)) or _yesterday()
        self.source: Source = source
        self.arrangement: Arrangement = "stacked"
        self.view: View | None = None
        self._kept = tuple(tagpaths)
        self._figure: Any = None
        self._zone = config.timezone  # of its time axis
        self._drawn: tuple[Any, ...] = ()  # tags and arrangement of the figure that stands
        self._waiting: asyncio.TimerHandle | None = None
        self._quiet = False
        self._around: Window | None = None  # what was seen before a silence was looked at
        self._widget: ipywidgets.VBox | None = None

    # -- what is looked at ----------------------------------------------------------------------------------------

    @property
    def tags(self) -> tuple[str, ...]:
        """Tags that are kept, then those that are selected in the list; eight at most."""
        return self._wanted[:MOST_TAGS]

    @property
    def _wanted(self) -> tuple[str, ...]:
        selected = self._found.value if self._widget else ()
        return tuple(dict.fromkeys((*self._kept, *selected)))

    def show(
        self, tagpaths: Iterable[str] | None = None, window: Window | None = None, source: Source | None = None
    ) -> View | None:
        """Look at other tags, another window or the other source; what is left out stays. The view of it."""
        if tagpaths is not None:
            self._kept = tuple(tagpaths)
        self.window, self.source = window or self.window, source or self.source
        self._refresh()
        return self.view

    def readings(self, into: Literal["pandas", "polars", "arrow"] = "pandas") -> Any:
        """Every reading of the tags and the window that are seen, as a DataFrame or table, at full resolution."""
        if not self.tags:
            raise ConfigError("no tag is looked at: choose one in the list, or name it in show([...])")
        if self.source == "lake":
            patterns = [historian.exactly(tag) for tag in self.tags]
            found = scan.read_lake(self.config, self.window.start, self.window.end, patterns)
        else:
            found = historian.read(self.config, self.tags, self.window)
        return scan.converted(found, into)

    def picture(self) -> Picture:
        """What is seen as a picture that stays in the notebook, for who reads it without a kernel."""
        from ..report.tag_series import series

        # Not what is drawn beyond the window, so that a zoom is at hand.
        view = self.reader.look(self.tags, self.window, POINTS, self.source)
        return series(view.readings, self.config, units={tag: self.known.unit(tag) for tag in self.tags})

    # -- the widget -----------------------------------------------------------------------------------------------

    def _repr_mimebundle_(self, **words: Any) -> Any:
        return self.widget._repr_mimebundle_(**words)

    @property
    def widget(self) -> ipywidgets.VBox:
        """The widget, made when it is first shown."""
        if self._widget is None:
            self._build()
            self._search_changed()
            self._refresh()
        return self._widget

    def _build(self) -> None:
        import ipywidgets as w

        from .jupyter_style import Fit

        tz = zone(self.config.timezone)
        wide = w.Layout(width="auto")  # all that its column has, less its margins
        self._search = w.Text(placeholder="press temperature   unit:bar   type:string", layout=wide)
        self._search.tooltip = "words of path, unit or description; area:plant1/press, unit:bar, type:string"
        self._count = w.HTML()
        self._found = w.SelectMultiple(options=(), rows=7, layout=wide)
        self._chips = w.TagsInput(value=list(self._kept), allow_duplicates=False, layout=wide)
        self._keep = w.Button(description="Keep selected", icon="thumb-tack", tooltip="Keep them while you search on")
        self._clear = w.Button(description="Clear", icon="times", tooltip="Keep none")
        self._from = w.NaiveDatetimePicker(description="From", value=_naive(self.window.start, tz))
        self._to = w.NaiveDatetimePicker(description="to", value=_naive(self.window.end, tz))
        self._span = w.Dropdown(options=["", *SPANS], description="Span", tooltip="As long, from the same start")
        back = w.Button(icon="chevron-left", tooltip="Earlier", layout=w.Layout(width="40px"))
        on = w.Button(icon="chevron-right", tooltip="Later", layout=w.Layout(width="40px"))
        self._sources = w.ToggleButtons(options=["lake", "historian"], value=self.source)
        self._ways = w.ToggleButtons(options=["stacked", "together"], value=self.arrangement)
        for toggles in (self._sources, self._ways):
            toggles.style.button_width = "auto"
        self._status, self._facts = w.HTML(), w.HTML()
        self._place = w.VBox([])
        self._silences = w.Dropdown(options=[ALL], description="Silence", tooltip="Look at one; the longest is first")
        for control in (self._from, self._to, self._span, self._silences):
            control.style.description_width = "auto"
            control.layout.width = "auto"
        row = w.Layout(flex_flow="row wrap", align_items="center")
        self._widget = w.VBox(
            [
                w.HBox([
                    w.VBox([self._search, self._count, self._found], layout=w.Layout(width="58%")),
                    w.VBox([w.HBox([self._keep, self._clear]), self._chips], layout=w.Layout(width="40%")),
                ], layout=w.Layout(justify_content="space-between")),
                w.HBox([w.HBox([back, self._from, self._to, on, self._span]), w.HBox([self._sources, self._ways]),
                        self._silences], layout=row),
                self._status,
                Fit(),
                self._place,
                self._facts,
            ]
        )  # fmt: skip
        self._widget.add_class("sensorstream-explore")
        self._search.observe(lambda _: self._search_changed(), "value")
        self._found.observe(self._told(lambda: self._refresh()), "value")
        self._chips.observe(self._told(self._chips_changed), "value")
        self._keep.on_click(lambda _: self._keep_selected())
        self._clear.on_click(lambda _: setattr(self._chips, "value", []))
        for picker in (self._from, self._to):
            picker.observe(self._told(self._window_typed), "value")
        self._span.observe(self._told(self._span_chosen), "value")
        self._silences.observe(self._told(self._silence_chosen), "value")
        self._sources.observe(self._told(lambda: self.show(source=self._sources.value)), "value")
        self._ways.observe(self._told(self._way_changed), "value")
        back.on_click(lambda _: self._move(-1))
        on.on_click(lambda _: self._move(1))

    def _told(self, do: Callable[[], Any]) -> Callable[[Any], None]:
        """``do`` when a person has changed something, not when this did."""
        return lambda _: None if self._quiet else do()

    def _search_changed(self) -> None:
        found = find(self.known, self._search.value)
        shown, selected = found[:SHOWN], [tag for tag in self._found.value if tag in found[:SHOWN]]
        self._quiet = True
        self._found.options = [(f"{tag}   ({told})" if (told := self.known.note(tag)) else tag, tag) for tag in shown]
        self._found.value = selected
        self._quiet = False
        more = f", the first {SHOWN} are shown" if len(found) > SHOWN else ""
        self._count.value = f"{len(found):,} of {len(self.known.paths):,} tags{more}"

    def _keep_selected(self) -> None:
        self._chips.value = list(dict.fromkeys((*self._kept, *self._found.value)))[:MOST_TAGS]

    def _chips_changed(self) -> None:
        self._kept = tuple(tag for tag in self._chips.value if tag in self.known.facts)
        if len(self._kept) < len(self._chips.value):
            self._chips.value = list(self._kept)  # a chip that was typed and is no tag
            return
        self._refresh()

    def _window_typed(self) -> None:
        tz = zone(self.config.timezone)
        if self._from.value is None or self._to.value is None:
            return  # half typed
        start, end = (picker.value.replace(tzinfo=tz, microsecond=0) for picker in (self._from, self._to))
        window = self._said(lambda: Window(start, end))
        if window:
            self.show(window=window)
        else:
            self._say(self.problem or "")

    def _span_chosen(self) -> None:
        if self._span.value:
            self.show(window=Window(self.window.start, self.window.start + SPANS[self._span.value]))

    def _silence_chosen(self) -> None:
        """Look at it from near; at what was seen before where none is chosen any more."""
        self._around = self._around or self.window
        chosen = self._silences.value
        self.show(window=padded(Window(*chosen), 1.0) if chosen else self._around)

    def _silences_follow(self, view: View) -> None:
        """List those that are seen; they stay while one of them is looked at, so that the next can be chosen."""
        if self._silences.value and self.window == padded(Window(*self._silences.value), 1.0):
            return
        self._around = None
        self._silences.options = [ALL, *silences(view, self.window, self.config.timezone)]

    def _move(self, way: int) -> None:
        width = self.window.end - self.window.start
        self.show(window=Window(self.window.start + way * width, self.window.end + way * width))

    def _way_changed(self) -> None:
        self.arrangement = self._ways.value
        self._refresh()

    # -- the figure -----------------------------------------------------------------------------------------------

    def _zoomed(self, _: Any, span: Any) -> None:
        """The time axis has moved: read again, once it rests."""
        if self._quiet or not span or span[0] is None:
            return
        seen = window_seen(span, self._zone)
        if seen == self.window:
            return
        self.window = seen
        if self._waiting:
            self._waiting.cancel()
        try:
            self._waiting = asyncio.get_running_loop().call_later(WAIT_SECONDS, self._refresh)
        except RuntimeError:  # no kernel's loop: a script or a test
            self._refresh()

    def _refresh(self) -> None:
        """Read what is to be seen, and show it; a failure is a sentence in place of the figure."""
        self.problem = None
        self.view = None
        begin = time.perf_counter()
        tags = self.tags
        if tags:
            wide = padded(self.window)
            points = POINTS * 3 // 2
            self.view = self._said(lambda: self.reader.look(tags, wide, points, self.source))
        if self._widget is not None:
            self._draw(tags, time.perf_counter() - begin)

    def _draw(self, tags: tuple[str, ...], seconds: float) -> None:
        self._quiet = True
        try:
            self._controls_follow()
            if self.view is None:
                self._place.children, self._drawn, self._facts.value = (), (), ""
                self._say(self.problem or CHOOSE)
                return
            self._put_figure(self.view, tags)
            self._silences_follow(self.view)
            more = len(self._wanted) - len(tags)
            left = f"; {more:,} more are not drawn, {MOST_TAGS} is the most" if more else ""
            self._say(status(self.view, self.window, seconds) + left)
            self._facts.value = facts(self.view, self.known, self.window, self.config.timezone)
        finally:
            self._quiet = False

    def _put_figure(self, view: View, tags: tuple[str, ...]) -> None:
        import plotly.graph_objects as go

        self._zone = axis_zone(self.window, self.config.timezone)
        traces, layout = drawn(view, self.known, tags, self.arrangement, self.window, self.config.timezone)
        made = (tags, self.arrangement, layout["xaxis"]["title"],
                [trace["yaxis"] for trace in traces], [trace["line"]["shape"] for trace in traces[::2]])  # fmt: skip
        if made == self._drawn:
            with self._figure.batch_update():
                for old, new in zip(self._figure.data, traces, strict=True):
                    old.update({name: new[name] for name in ("x", "y", "text", "mode") if name in new}, overwrite=True)
                self._figure.layout.shapes = layout["shapes"]
                self._figure.layout.xaxis.range = layout["xaxis"]["range"]
            return
        self._figure = go.FigureWidget(go.Figure(traces, layout))
        self._figure._config = CONFIG
        self._figure.layout.on_change(self._zoomed, "xaxis.range")
        self._drawn = made
        self._place.children = (self._figure,)

    def _controls_follow(self) -> None:
        tz = zone(self.config.timezone)
        self._from.value, self._to.value = _naive(self.window.start, tz), _naive(self.window.end, tz)
        width = self.window.end - self.window.start
        self._span.value = next((name for name, span in SPANS.items() if span == width), "")
        self._sources.value = self.source
        self._chips.value = list(self._kept)

    def _say(self, sentence: str) -> None:
        self._status.value = f'<span role="status">{escape(sentence)}</span>'

    def _said(self, ask: Callable[[], Any]) -> Any:
        """The answer; ``None`` where it failed, with the sentence as ``problem``."""
        try:
            return ask()
        except LakeError as error:
            self.problem = f"{error}. {EMPTY_LAKE}"
        except SensorStreamError as error:
            self.problem = str(error)
        return None


def _naive(moment: datetime, tz: Any) -> datetime:
    return moment.astimezone(tz).replace(tzinfo=None)


def _yesterday() -> Window:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return Window(today - timedelta(days=1), today)
