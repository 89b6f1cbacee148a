"""What was offered and is picked by typing: its number, its place, a part of its words."""

from __future__ import annotations

import re
from typing import Optional, Sequence

from calla.catalogue import Catalogue, Topic, fold

_PLACES = {
    "1": 0, "one": 0, "first": 0, "1st": 0, "a": 0, "top": 0,
    "2": 1, "two": 1, "second": 1, "2nd": 1, "b": 1, "middle": 1,
    "3": 2, "three": 2, "third": 2, "3rd": 2, "c": 2,
    "4": 3, "four": 3, "fourth": 3, "4th": 3, "d": 3,
    "last": -1, "bottom": -1,
}  # fmt: skip
_PICK = re.compile(
    r"^(?:(?:i |i'd |id )?(?:choose|pick|take|want|mean|meant|like)\s+)?(?:the\s+)?"
    r"(?:number|no|nr|option|answer|button|question)?\s*"
    r"(?P<place>\w+)(?:\s+(?:one|option|question|please|pls|then))*$"
)
# Words up to which a message may be a part of a title.
_MAX_WORDS = 5
_SAYS_NOTHING = frozenset(
    "a an the of with in and or to for on is are be do does did can could i my me it its this that what how why when "
    "which who one please yes ok about there they them you your".split()
)


def picked(text: str, offers: Sequence[str], catalogue: Catalogue) -> Optional[Topic]:
    """Return what a message picks of what was offered, if it is plain.

    Args:
        text: the message.
        offers: ids of what was offered, in order.
        catalogue: topics and details.
    """
    offered = [topic for id in offers if (topic := catalogue.find(id))]
    if not offered:
        return None
    folded = fold(text)
    if match := _PICK.match(folded):
        place = _PLACES.get(match["place"])
        if place is not None and place < len(offered):
            return offered[place]
    words = set(folded.split()) - _SAYS_NOTHING
    if not words or len(folded.split()) > _MAX_WORDS:
        return None
    holding = [topic for topic in offered if words <= set(fold(topic.title).split())]
    return holding[0] if len(holding) == 1 else None
