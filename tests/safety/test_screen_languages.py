"""Plain sentences of danger in other languages: recognised, and answered in the language.

Written without native speakers; each waits for review by one.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from calla.safety.screen import load_screen
from calla.understanding.language import language_of
from calla.understanding.spelling import english_counts

TEXTS = yaml.safe_load((Path(__file__).parents[2] / "data/conversation/languages.yml").read_text(encoding="utf-8"))
LANGUAGES = sorted(name.rpartition("/")[2] for name in TEXTS["responses"] if name.startswith("utter_other_language/"))
KINDS = ("emergency", "crisis", "urgent")
NAMES = {"emergency": ("emergency",), "crisis": ("emotional_crisis",), "urgent": ("red_flag_symptom",)}
# language: emergency, crisis, urgent
SENTENCES = {
    "es": (
        "Me duele mucho el pecho y no puedo respirar",
        "Quiero morir, no quiero seguir viviendo",
        "Me ha salido un bulto duro en el pecho",
    ),
    "pt": (
        "Estou com uma forte dor no peito e não consigo respirar",
        "Quero morrer, não quero mais viver",
        "Senti um caroço duro na mama",
    ),
    "fr": (
        "J'ai une forte douleur à la poitrine et je ne peux plus respirer",
        "Je veux mourir, je ne veux plus vivre",
        "J'ai senti une boule dure dans mon sein",
    ),
    "de": (
        "Ich habe starke Schmerzen in der Brust und bekomme keine Luft",
        "Ich will sterben, ich möchte nicht mehr leben",
        "Ich habe einen harten Knoten in der Brust getastet",
    ),
    "it": (
        "Ho un forte dolore al petto e non riesco a respirare",
        "Voglio morire, non voglio più vivere",
        "Ho sentito un nodulo duro nel seno",
    ),
    "nl": (
        "Ik heb hevige pijn op de borst en krijg geen lucht",
        "Ik wil dood, ik wil niet meer leven",
        "Ik voel een harde knobbel in mijn borst",
    ),
    "pl": (
        "Mam silny ból w klatce piersiowej i nie mogę oddychać",
        "Chcę umrzeć, nie chcę już żyć",
        "Wyczułam twardy guzek w piersi",
    ),
    "tr": (
        "Göğsümde şiddetli ağrı var ve nefes alamıyorum",
        "Ölmek istiyorum, artık yaşamak istemiyorum",
        "Mememde sert bir kitle buldum",
    ),
    "ru": (
        "У меня сильная боль в груди и я не могу дышать",
        "Я хочу умереть, не хочу больше жить",
        "Я нащупала твёрдое уплотнение в груди",
    ),
    "uk": (
        "У мене сильний біль у грудях і я не можу дихати",
        "Я хочу померти, не хочу більше жити",
        "Я намацала тверде ущільнення в грудях",
    ),
    "ar": (
        "عندي ألم شديد في الصدر ولا أستطيع التنفس",
        "أريد أن أموت، لا أريد أن أعيش",
        "وجدت كتلة صلبة في ثديي",
    ),
    "hi": (
        "मेरे सीने में तेज दर्द है और मैं सांस नहीं ले पा रही हूं",
        "मैं मरना चाहती हूं, मुझे जीना नहीं है",
        "मेरे स्तन में एक सख्त गांठ है",
    ),
    "zh": (
        "我胸口剧痛，喘不过气来",
        "我想死，不想活了",
        "我乳房里摸到一个硬块",
    ),
    "vi": (
        "Tôi bị đau ngực dữ dội và không thở được",
        "Tôi muốn chết, tôi không muốn sống nữa",
        "Tôi sờ thấy một cục cứng ở vú",
    ),
    "ht": (
        "Mwen gen yon gwo doulè nan pwatrin mwen e mwen pa ka respire",
        "Mwen vle mouri, mwen pa vle viv ankò",
        "Mwen santi yon boul di nan tete mwen",
    ),
    "tl": (
        "Sobrang sakit ng dibdib ko at hindi ako makahinga",
        "Gusto ko nang mamatay, ayoko nang mabuhay",
        "May nakapa akong matigas na bukol sa suso ko",
    ),
}
CASES = [(code, kind, text) for code, texts in SENTENCES.items() for kind, text in zip(KINDS, texts, strict=True)]


def english(word: str) -> float:
    """Say how English a word is."""
    return float(word.lower() in english_counts())


def test_each_language_has_its_sentences_and_its_texts() -> None:
    """Every language has the text that says what Calla can do, and the three referrals."""
    assert sorted(SENTENCES) == LANGUAGES
    for code in LANGUAGES:
        for names in NAMES.values():
            for name in names:
                (text,) = TEXTS["responses"][f"utter_referral_{code}/{name}"]
                assert text["text"].strip()
                assert text["metadata"]["native_review"] in ("pending", "done")


@pytest.mark.parametrize(("code", "kind", "text"), CASES)
def test_a_plain_danger_is_found_and_its_language_known(code: str, kind: str, text: str) -> None:
    """The rules find the kind, surely; the detector names the language, so the referral exists in it."""
    first = load_screen().find(text)[0]
    assert (first.kind, first.hint) == (kind, False)
    assert f"utter_referral_{code}/{first.topic}" in TEXTS["responses"]
    assert language_of(text, english, str) == code


@pytest.mark.parametrize("text", ["nan bread with ghee", "my sister in Haiti said mwen pa ka vini"])
def test_a_few_words_of_creole_make_no_message_creole_by_chance(text: str) -> None:
    """English that holds a word of it stays English."""
    assert language_of(text, english, str) == "en"
