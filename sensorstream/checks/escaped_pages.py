"""Pages of Great Expectations in which a text of the data is a text: the library's own take it for HTML."""

from __future__ import annotations

from html import escape
from typing import Any

from great_expectations.render.view import DefaultJinjaPageView
from jinja2 import pass_context


class EscapedPages(DefaultJinjaPageView):
    """The library's pages; a cell of a table that is a mere text, a tag path for example, is escaped."""

    @pass_context
    def render_content_block(self, context: Any, content_block: Any, *words: Any, **names: Any) -> Any:
        if isinstance(content_block, str):
            return escape(content_block)
        if isinstance(content_block, list):  # the library puts what is no block of its own into the page as it is
            content_block = [escape(one) if isinstance(one, str) else one for one in content_block]
        return super().render_content_block(context, content_block, *words, **names)
