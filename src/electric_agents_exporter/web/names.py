"""Foreign text as people can read it: nothing of it acts or hides, and no word breaks in two."""

import re
from collections.abc import Iterator
from typing import Final

from markupsafe import Markup, escape

_LONGEST: Final = 120
_LONGEST_WORD: Final = 24
_PIECES: Final = re.compile(r"[^\s\-_./:@+%~,;]+|[\s\-_./:@+%~,;]")


def visible(text: str) -> str:
    """Write characters that show nothing, or turn the line around, as their escapes."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


def name_html(text: str, *, whole: bool = False) -> Markup:
    """Write an id or another name: a line may break after a separator, and not within a word."""
    if not text:
        return Markup('<span class="none">(empty)</span>')
    shown = visible(text if whole else text[:_LONGEST])
    more = Markup("") if whole or len(text) <= _LONGEST else Markup("&hellip;")
    return Markup("<bdi>{}</bdi>{}").format(Markup("").join(_pieces(shown)), more)


def _pieces(text: str) -> Iterator[Markup]:
    for piece in _PIECES.findall(text):
        if len(piece) > _LONGEST_WORD:
            # No screen of a phone has room for it.
            yield Markup('<span class="long">{}</span>').format(piece)
        elif len(piece) == 1 and not piece.isalnum():
            yield escape(piece) + Markup("<wbr>")
        else:
            yield escape(piece)
