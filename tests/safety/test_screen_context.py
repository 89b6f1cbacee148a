"""Context in the manner of NegEx and ConText: what takes a finding back, what does not."""

from __future__ import annotations

import pytest

from calla.safety.screen import load_screen

SCREEN = load_screen()

TAKEN_BACK = [
    ("I have no lump, no pain, just wondering what mk7 is", "each 'no' covers its own word"),
    ("no suspicious masses, calcifications or architectural distortion", "a list goes on to its 'or'"),
    ("nothing suspicious was seen", "'nothing' negates"),
    ("no kidney problems, not pregnant, is dark chocolate good for magnesium", "two negations"),
    ("I don't take any blood thinners. which food has k2", "a verb between negation and word"),
    ("negative for malignancy, so which vegetables", "'negative for' negates"),
    ("a lump was ruled out, which cheese has k2", "a negation may follow"),
    ("our cat has a lump, is pet insurance worth it", "an animal is the patient"),
    ("my aunt's dog had a biopsy", "an animal is the patient"),
    ("in the novel I'm reading the heroine finds a lump", "a story"),
    ("my mammogram was normal, BI-RADS 1, which foods have magnesium", "an all-clear result"),
    ("BI-RADS 2 both sides so I'm happy. Spinach or chard for magnesium?", "an all-clear category"),
    ("is a lump of dark chocolate after dinner ok", "food"),
    ("my soup has lumps in it", "food"),
    ("there are suspicious ingredients on the label", "an ingredient, not a finding"),
    ("a cluster of cherry tomatoes", "fruit"),
    ("we need a category 5 cable", "a cable is no category"),
    ("the letter says no abnormality detected", "an all-clear letter"),
    ("thyroid nodule with calcification", "another organ"),
    ("I'm terrified about my mammogram next month", "fear of a coming routine mammogram"),
    ("pregnant, may I dye my hair", "pregnancy without any supplement"),
    ("what dose of vitamin K2 is right for me", "the commonest question of all is no crisis"),
    ("which magnesium tablets are strongest", "strength of a supplement is no crisis"),
    ("a kilo of plums from Freeport, and a new radiator", "words are not typos of other words"),
    ("is calcium in the veins of the breast linked to heart attack", "a link is no heart attack"),
    ("the gas bill nearly gave me a heart attack", "a figure of speech"),
    ("grandad has macular degeneration", "macular is no typo of a blood thinner"),
    ("my friend finished her treatment in 2016", "finished is not refused"),
    ("are vitamins regulated like medicines", "a comparison names no medicine of one's own"),
    ("how do I get lumps out of cheese sauce", "food"),
]

STANDS = [
    ("sick as a dog and a lump in my armpit", "a comparison is no patient"),
    ("the pet scan showed a mass", "a scan is no pet"),
    ("there is a nodule on the film", "film of an X-ray, not of a cinema"),
    ("no joke, I found a lump", "a figure of speech"),
    ("I have a lump, is chocolate ok for magnesium", "food in another thought excuses nothing"),
    ("I put cream on the lump", "food or creams beside a finding are not the finding"),
    ("I found a lump while making the custard", "food in another thought excuses nothing"),
    ("my mum had a heart attack just now", "an exception hides only its own words"),
    ("my soup and my lump", "'of' and 'in' make a lump food, nearness does not"),
    ("a lump of tissue in my breast", "not food"),
    ("there is a suspicious ingredient in my cheese, and a suspicious mass", "only the first is excused"),
    (
        "clustered microcalcifications in the left breast\nwe had porridge with walnuts",
        "a new line begins a new thought",
    ),
    ("my breast skin is rough like a cat's tongue", "the cat is a comparison"),
    ("my biopsy is on friday, and do they leave a marker", "an own biopsy is not excused by the clip"),
    ("no pain but there is a lump", "'but' ends the scope"),
    ("not pregnant I have a lump", "a pronoun ends the scope"),
    ("no doubt it is a lump", "'no doubt' denies nothing"),
    ("not sure if this is a lump", "'not sure' denies nothing"),
    ("they can't rule out malignancy", "the pattern carries its own 'not'"),
    ("the lump does not move", "what follows the finding is not denied with it"),
    ("no change in the lump", "'no change' denies nothing"),
    ("no idea what this lump is", "'no idea' denies nothing"),
    ("no lump before, now there is a lump", "a later mention stands"),
    ("they said it is not cancer but want a biopsy", "the case of the design"),
    ("BI-RADS 1 on the right but BI-RADS 4 on the left", "an all-clear takes back only itself"),
    ("my normal birads 2 was in April but since June I feel a knot", "an old all-clear takes nothing back"),
    ("the dog, no, my toddler ate my tamoxifen", "a person named after the animal"),
    ("walking my dog I found a lump in my breast", "the animal is not the patient"),
    ("no appointment until May and a lump in my breast", "'no appointment' denies nothing"),
    ("my mum has no pain, only a lump", "'only' ends the scope"),
    ("without a biopsy they cannot tell", "biopsy talk is never negated"),
    ("I don't want the biopsy", "refusing is not the absence of a biopsy"),
    ("I'm not on warfarin any more, I take Eliquis", "another medicine stands"),
    (
        "thyroid nodule with calcification but the breast has a nodule on the mammogram too",
        "the breast beside another organ",
    ),
    ("no abnormality on the right although a suspicious cluster on the left", "'although' ends the scope"),
    ("never been called back until today, they want more pictures of my left side", "the call-back stands"),
    ("pregnant, may I dye my hair and take vitamin K2 capsules", "a supplement beside it"),
    ("a cricket ball hit my breast and now it is swollen", "words of an exception hide only themselves"),
]


@pytest.mark.parametrize(("text", "why"), TAKEN_BACK)
def test_context_takes_a_finding_back(text: str, why: str) -> None:
    """Negation, animals, stories, all-clear results and food do not owe a referral."""
    assert SCREEN.find(text) == [], why


@pytest.mark.parametrize(("text", "why"), STANDS)
def test_finding_stands(text: str, why: str) -> None:
    """In doubt the finding stands."""
    assert SCREEN.find(text), why
