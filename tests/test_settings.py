"""The settings: listed in one file, checked at start, wrong ones named."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from calla.settings import MAY_BE_IN_FILES, ROOT, Settings, SettingsError, read_settings, settings

EXAMPLE = ROOT / ".env.example"
NAMES = {name for field in Settings.__fields__.values() for name in field.field_info.extra["env_names"]}
STRONG = "Zk3n-sQ7_vB1xT9cLw2hR8yJ4mF6dPqA"
CONTACTS = {
    "emergency_number": "CALLA_EMERGENCY_NUMBER",
    "urgent_care_line": "CALLA_URGENT_CARE_LINE",
    "crisis_line": "CALLA_CRISIS_LINE",
    "poison_centre": "CALLA_POISON_CENTRE",
    "cancer_helpline": "CALLA_CANCER_HELPLINE",
    "breast_clinic_contact": "CALLA_BREAST_CLINIC_CONTACT",
}


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    settings.cache_clear()
    yield
    settings.cache_clear()


def example() -> list[tuple[str, str, str]]:
    """Return name, value and the line above of each variable in the example file."""
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    found = []
    for above, line in zip(["", *lines], lines, strict=False):
        if line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.append((name, value, above))
    return found


def test_the_example_lists_exactly_the_settings() -> None:
    listed = [name for name, _, _ in example()]
    assert sorted(listed) == sorted(NAMES)


def test_each_line_of_the_example_has_its_comment() -> None:
    assert [name for name, _, above in example() if not above.startswith("# ")] == []


def test_the_example_holds_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = read_settings()
    for name, value, _ in example():
        monkeypatch.setenv(name, value)
    assert read_settings() == defaults


def test_the_operating_guide_explains_every_setting() -> None:
    guide = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    assert {name for name in NAMES if f"`{name}`" not in guide} == set()


@pytest.mark.parametrize("empty", ["", "  "])
def test_empty_counts_as_unset(monkeypatch: pytest.MonkeyPatch, empty: str) -> None:
    defaults = read_settings()
    for name in NAMES:
        monkeypatch.setenv(name, empty)
    assert read_settings() == defaults


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CALLA_PORT", "five"),
        ("CALLA_PORT", "0"),
        ("CALLA_ACTION_PORT", "65536"),
        ("CALLA_ENVIRONMENT", "staging"),
        ("CALLA_PROXIES", "-1"),
        ("CALLA_SESSION_HOURS", "0"),
        ("CALLA_MESSAGES_PER_MINUTE", "0"),
        ("CALLA_ADDRESS_MESSAGES_PER_MINUTE", "many"),
        ("CALLA_SESSIONS_PER_HOUR", "1.5"),
        ("CALLA_MAX_IN_FLIGHT", "0"),
        ("CALLA_RETENTION_DAYS", "0"),
        ("CALLA_PUBLIC_ADDRESS", "calla.example.org"),
        ("CALLA_PUBLIC_ADDRESS", "https://calla.example.org/chat"),
        ("CALLA_ALLOWED_ORIGINS", "www.example.org"),
        ("CALLA_ALLOWED_ORIGINS", "https://www.example.org/page"),
    ],
)
def test_a_wrong_value_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=rf"\b{name}: "):
        read_settings()


def test_all_wrong_values_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLA_PORT", "five")
    monkeypatch.setenv("CALLA_PROXIES", "-1")
    with pytest.raises(SettingsError) as problem:
        read_settings()
    assert {"CALLA_PORT", "CALLA_PROXIES"} <= set(re.findall(r"[A-Z_]{5,}", str(problem.value)))


@pytest.mark.parametrize("secret", [None, "", "  "])
def test_production_without_a_secret_refuses(monkeypatch: pytest.MonkeyPatch, secret: str | None) -> None:
    monkeypatch.setenv("CALLA_ENVIRONMENT", "production")
    if secret is not None:
        monkeypatch.setenv("CALLA_SECRET", secret)
    with pytest.raises(SettingsError, match="CALLA_SECRET"):
        read_settings()


def test_production_with_a_secret_is_accepted_and_keeps_it_to_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLA_ENVIRONMENT", "production")
    monkeypatch.setenv("CALLA_SECRET", STRONG)
    assert STRONG not in repr(read_settings())


@pytest.mark.parametrize("weak", ["chrysanthemum", "change-me", "a" * 40, "abcabcabc" * 5])
def test_a_weak_secret_is_refused_in_production_and_not_repeated(monkeypatch: pytest.MonkeyPatch, weak: str) -> None:
    monkeypatch.setenv("CALLA_SECRET", weak)
    read_settings()
    monkeypatch.setenv("CALLA_ENVIRONMENT", "production")
    with pytest.raises(SettingsError, match="too easy") as problem:
        read_settings()
    assert weak not in str(problem.value)


def test_an_unknown_name_is_refused_with_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLA_RETENTION_DAY", "10")
    with pytest.raises(SettingsError, match="Do you mean CALLA_RETENTION_DAYS"):
        read_settings()
    monkeypatch.delenv("CALLA_RETENTION_DAY")
    monkeypatch.setenv("CALLA_XYZZY", "1")
    with pytest.raises(SettingsError, match=r"CALLA_XYZZY.*\.env\.example"):
        read_settings()


def test_equal_ports_are_refused_unless_the_action_server_is_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLA_ACTION_PORT", "5005")
    with pytest.raises(SettingsError, match="must differ"):
        read_settings()
    monkeypatch.setenv("CALLA_ACTION_URL", "http://actions:5055/webhook")
    read_settings()


def test_contacts_fill_the_referrals_and_default_phrases_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    from calla.answers import CallaNaturalLanguageGenerator

    responses = {}
    for file in ("contacts.yml", "referrals.yml"):
        data = yaml.safe_load((ROOT / "data" / "safety" / file).read_text(encoding="utf-8"))
        responses.update(data["responses"])
    for file in (ROOT / "data" / "topics" / "safety").glob("*.yml"):
        responses.update(yaml.safe_load(file.read_text(encoding="utf-8")).get("responses") or {})
    generator = CallaNaturalLanguageGenerator()
    generator.responses = responses
    referrals = [name for name in responses if name.startswith("utter_referral")]

    def texts() -> dict[str, str]:
        settings.cache_clear()
        return {name: (generator.render(name) or {})["text"] for name in referrals}

    unset = texts()
    assert len(unset) > 10
    assert [name for name, text in unset.items() if "{" in text] == []
    for name in CONTACTS.values():
        monkeypatch.setenv(name, f"<{name}>")
    for name, text in texts().items():
        source = responses[name][0]["text"]
        for placeholder, variable in CONTACTS.items():
            assert (f"<{variable}>" in text) == (f"{{{placeholder}}}" in source), (name, variable)


@pytest.mark.parametrize(
    "values, says",
    [
        ({"CALLA_HANDOFF": "pigeon"}, "webhook, slack or chatwoot"),
        ({"CALLA_HANDOFF": "webhook", "CALLA_HANDOFF_SECRET": STRONG}, "CALLA_HANDOFF_URL"),
        ({"CALLA_HANDOFF": "webhook", "CALLA_HANDOFF_URL": "https://a.example"}, "CALLA_HANDOFF_SECRET"),
        (
            {"CALLA_HANDOFF": "webhook", "CALLA_HANDOFF_URL": "https://a.example", "CALLA_HANDOFF_SECRET": "short"},
            "too easy to guess",
        ),
        ({"CALLA_HANDOFF": "slack"}, "SLACK_CARE_CHANNEL"),
        ({"CALLA_HANDOFF": "chatwoot", "CALLA_HANDOFF_URL": "https://a.example"}, "CALLA_HANDOFF_TOKEN"),
        ({"CALLA_HANDOFF_URL": "ftp://a.example"}, "CALLA_HANDOFF_URL"),
        ({"CALLA_HANDOFF_URL": "https://a.example"}, "without CALLA_HANDOFF"),
        ({"CALLA_HANDOFF_HOURS": "Mon 09:00-17:00"}, "CALLA_HANDOFF_TIME_ZONE"),
        ({"CALLA_HANDOFF_HOURS": "nine to five", "CALLA_HANDOFF_TIME_ZONE": "UTC"}, "CALLA_HANDOFF_HOURS"),
        ({"CALLA_HANDOFF_WAIT_MINUTES": "0"}, "CALLA_HANDOFF_WAIT_MINUTES"),
    ],
)
def test_a_hand_off_that_cannot_work_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, str], says: str
) -> None:
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=re.escape(says)):
        read_settings()


@pytest.mark.parametrize("empty", [False, True])
@pytest.mark.parametrize("name", MAY_BE_IN_FILES)
def test_a_secret_comes_from_a_file(name: str, empty: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    values = {"DATABASE_URL": "postgresql://calla:secret@db/calla", "REDIS_URL": "redis://:secret@cache/0"}
    values |= {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1"}
    if name.startswith("SLACK"):
        monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-1")
        monkeypatch.setenv("SLACK_SIGNING_SECRET", STRONG)
        monkeypatch.delenv(name, raising=False)
    if name.startswith("CALLA_HANDOFF"):
        for other, value in {"": "webhook", "_URL": "https://a.example", "_SECRET": STRONG}.items():
            monkeypatch.setenv(f"CALLA_HANDOFF{other}", value)
        monkeypatch.delenv(name, raising=False)
    if empty:
        # As compose files and units leave it: as good as unset.
        monkeypatch.setenv(name, "")
    (tmp_path / "held").write_text(f"{values.get(name, STRONG)}\n")
    monkeypatch.setenv(f"{name}_FILE", str(tmp_path / "held"))
    field = next(f for f in Settings.__fields__.values() if name in f.field_info.extra["env_names"])
    held = getattr(read_settings(), field.name)
    assert (held if isinstance(held, str) else held.get_secret_value()) == values.get(name, STRONG)


def test_a_secret_set_twice_or_in_no_file_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CALLA_SECRET_FILE", str(tmp_path / "missing"))
    with pytest.raises(SettingsError, match=r"CALLA_SECRET_FILE: the file cannot be read"):
        read_settings()
    (tmp_path / "missing").write_text(STRONG)
    monkeypatch.setenv("CALLA_SECRET", STRONG)
    with pytest.raises(SettingsError, match="CALLA_SECRET and CALLA_SECRET_FILE are both set"):
        read_settings()


@pytest.mark.parametrize(("name", "value"), [("DATABASE_URL", "mysql://x/y"), ("REDIS_URL", "localhost:6379")])
def test_an_address_that_nothing_listens_to_is_named(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name):
        read_settings()
