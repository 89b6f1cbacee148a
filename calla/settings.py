"""All settings, read from the environment in one place and checked at start."""

from __future__ import annotations

import difflib
import importlib
import logging
import os
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any, Iterable, Optional
from urllib.parse import urlsplit

import structlog
from pydantic import BaseSettings, Field, SecretStr, ValidationError, validator

from calla.handoff.hours import HoursError, OpeningHours
from calla.left_out import leave_out_libraries

ROOT = Path(__file__).resolve().parents[1]
# Characters that the secret has at least in production.
MIN_SECRET = 32


# Settings that hold a secret; NAME_FILE may name a file that holds it instead.
MAY_BE_IN_FILES = (
    "CALLA_SECRET",
    "CALLA_API_TOKEN",
    "DATABASE_URL",
    "REDIS_URL",
    "SLACK_BOT_TOKEN",
    "SLACK_APP_TOKEN",
    "SLACK_SIGNING_SECRET",
    "CALLA_HANDOFF_SECRET",
    "CALLA_HANDOFF_TOKEN",
)


class SettingsError(RuntimeError):
    """A setting is missing or wrong; the message names the variable."""


def secrets_in_files(settings: BaseSettings) -> dict[str, str]:
    """Return the settings whose variable with ``_FILE`` at its end names a file that holds them.

    Raises:
        SettingsError: if a file cannot be read.
    """
    found: dict[str, str] = {}
    for field in settings.__fields__.values():
        for name in field.field_info.extra["env_names"]:
            path = os.environ.get(f"{name}_FILE", "").strip()
            if name in MAY_BE_IN_FILES and path:
                try:
                    found[field.alias] = Path(path).read_text().strip()
                except (OSError, ValueError) as error:
                    raise SettingsError(f"{name}_FILE: the file cannot be read ({type(error).__name__}).") from None
    return found


class Settings(BaseSettings):
    """Calla's settings. Names and defaults are listed in ``.env.example``."""

    host: str = Field("127.0.0.1", env="CALLA_HOST")
    port: int = Field(5005, env="CALLA_PORT", ge=1, le=65535)
    action_port: int = Field(5055, env="CALLA_ACTION_PORT", ge=1, le=65535)
    action_url: Optional[str] = Field(None, env="CALLA_ACTION_URL")
    environment: str = Field("development", env="CALLA_ENVIRONMENT")
    api_token: Optional[SecretStr] = Field(None, env="CALLA_API_TOKEN")
    data_folder: Path = Field(ROOT / "var", env="CALLA_DATA_FOLDER")
    database_url: Optional[str] = Field(None, env="DATABASE_URL")
    redis_url: Optional[str] = Field(None, env="REDIS_URL")
    secret: Optional[SecretStr] = Field(None, env="CALLA_SECRET")
    allowed_origins: str = Field("", env="CALLA_ALLOWED_ORIGINS")
    proxies: int = Field(0, env="CALLA_PROXIES", ge=0, le=5)
    session_hours: int = Field(24, env="CALLA_SESSION_HOURS", ge=1, le=24 * 90)
    retention_days: int = Field(30, env="CALLA_RETENTION_DAYS", ge=1, le=3650)
    log_unanswered: bool = Field(False, env="CALLA_LOG_UNANSWERED")
    unanswered_days: int = Field(90, env="CALLA_UNANSWERED_DAYS", ge=1, le=3650)
    public_address: Optional[str] = Field(None, env="CALLA_PUBLIC_ADDRESS")
    messages_per_minute: int = Field(20, env="CALLA_MESSAGES_PER_MINUTE", ge=1)
    address_messages_per_minute: int = Field(120, env="CALLA_ADDRESS_MESSAGES_PER_MINUTE", ge=1)
    sessions_per_hour: int = Field(120, env="CALLA_SESSIONS_PER_HOUR", ge=1)
    max_in_flight: int = Field(32, env="CALLA_MAX_IN_FLIGHT", ge=1)

    emergency_number: Optional[str] = Field(None, env="CALLA_EMERGENCY_NUMBER")
    urgent_care_line: Optional[str] = Field(None, env="CALLA_URGENT_CARE_LINE")
    crisis_line: Optional[str] = Field(None, env="CALLA_CRISIS_LINE")
    poison_centre: Optional[str] = Field(None, env="CALLA_POISON_CENTRE")
    cancer_helpline: Optional[str] = Field(None, env="CALLA_CANCER_HELPLINE")
    breast_clinic_contact: Optional[str] = Field(None, env="CALLA_BREAST_CLINIC_CONTACT")

    slack_bot_token: Optional[SecretStr] = Field(None, env="SLACK_BOT_TOKEN")
    slack_app_token: Optional[SecretStr] = Field(None, env="SLACK_APP_TOKEN")
    slack_signing_secret: Optional[SecretStr] = Field(None, env="SLACK_SIGNING_SECRET")
    slack_care_channel: Optional[str] = Field(None, env="SLACK_CARE_CHANNEL")
    slack_allowed_outsiders: str = Field("", env="SLACK_ALLOWED_OUTSIDERS")
    slack_api_url: str = Field("https://slack.com/api/", env="SLACK_API_URL")

    handoff: Optional[str] = Field(None, env="CALLA_HANDOFF")
    handoff_team: Optional[str] = Field(None, env="CALLA_HANDOFF_TEAM")
    handoff_url: Optional[str] = Field(None, env="CALLA_HANDOFF_URL")
    handoff_secret: Optional[SecretStr] = Field(None, env="CALLA_HANDOFF_SECRET")
    handoff_token: Optional[SecretStr] = Field(None, env="CALLA_HANDOFF_TOKEN")
    handoff_account: Optional[int] = Field(None, env="CALLA_HANDOFF_ACCOUNT", ge=1)
    handoff_inbox: Optional[int] = Field(None, env="CALLA_HANDOFF_INBOX", ge=1)
    handoff_hours: str = Field("", env="CALLA_HANDOFF_HOURS")
    handoff_time_zone: Optional[str] = Field(None, env="CALLA_HANDOFF_TIME_ZONE")
    handoff_wait_minutes: float = Field(10, env="CALLA_HANDOFF_WAIT_MINUTES", gt=0, le=24 * 60)
    handoff_idle_minutes: float = Field(30, env="CALLA_HANDOFF_IDLE_MINUTES", gt=0, le=24 * 60)

    class Config:
        """An empty variable counts as unset; a secret may come from a file."""

        case_sensitive = True

        @classmethod
        def customise_sources(cls, init_settings: Any, env_settings: Any, file_secret_settings: Any) -> tuple[Any, ...]:
            """Return where settings come from, the first that knows one counts."""
            # Files first: an empty variable beside one is as good as unset, a full one is refused.
            return (init_settings, secrets_in_files, env_settings)

    @validator("*", pre=True)
    def _empty_is_unset(cls, value: object, field: object) -> object:  # noqa: N805 (pydantic's form)
        return getattr(field, "default", None) if isinstance(value, str) and not value.strip() else value

    @validator("environment")
    def _known_environment(cls, value: str) -> str:  # noqa: N805
        if value not in ("development", "production"):
            raise ValueError("must be development or production")
        return value

    @validator("allowed_origins")
    def _whole_origins(cls, value: str) -> str:  # noqa: N805
        for origin in value.split():
            parts = urlsplit(origin)
            if parts.scheme not in ("http", "https") or not parts.netloc or parts.path not in ("", "/"):
                raise ValueError(f"{origin!r} is not an origin such as https://www.example.org")
        return value

    @validator("handoff")
    def _known_inbox(cls, value: Optional[str]) -> Optional[str]:  # noqa: N805
        if value not in (None, "webhook", "slack", "chatwoot"):
            raise ValueError("must be webhook, slack or chatwoot")
        return value

    @validator("handoff_url")
    def _web_address(cls, value: Optional[str]) -> Optional[str]:  # noqa: N805
        if value is not None and (urlsplit(value).scheme not in ("http", "https") or not urlsplit(value).netloc):
            raise ValueError("is not an address such as https://inbox.example.org/calla")
        return value

    @validator("database_url")
    def _known_database(cls, value: Optional[str]) -> Optional[str]:  # noqa: N805
        if value is not None and not value.startswith(("sqlite:", "postgresql:", "postgresql+psycopg2:")):
            raise ValueError("begins with neither postgresql:// nor sqlite:///")
        return value

    @validator("redis_url")
    def _known_redis(cls, value: Optional[str]) -> Optional[str]:  # noqa: N805
        if value is not None and not value.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("begins with none of redis://, rediss:// and unix://")
        return value

    @validator("public_address")
    def _whole_address(cls, value: Optional[str]) -> Optional[str]:  # noqa: N805
        if value is not None:
            parts = urlsplit(value)
            if parts.scheme not in ("http", "https") or not parts.netloc or parts.path not in ("", "/"):
                raise ValueError("is not an address such as https://calla.example.org")
        return value.rstrip("/") if value else value

    @property
    def contacts(self) -> dict[str, str]:
        """The operator's contacts that are set, by the placeholder they fill."""
        names = (
            "emergency_number",
            "urgent_care_line",
            "crisis_line",
            "poison_centre",
            "cancer_helpline",
            "breast_clinic_contact",
        )
        return {name: value for name in names if (value := getattr(self, name))}

    @property
    def placeholders(self) -> dict[str, str]:
        """What texts may name: the contacts, who answers, and how long anything is kept."""
        team = {"handoff_team": self.handoff_team} if self.handoff_team else {}
        return {**self.contacts, **team, "retention_days": str(self.retention_days)}

    @property
    def origins(self) -> list[str]:
        """Origins of the sites that may embed the widget."""
        return [origin.rstrip("/") for origin in self.allowed_origins.split()]

    @property
    def database(self) -> str:
        """SQLAlchemy address of the database; a file under the data folder by default."""
        return self.database_url or f"sqlite:///{self.data_folder / 'calla.db'}"

    @property
    def action_endpoint(self) -> str:
        """Address of the action server's webhook."""
        return self.action_url or f"http://127.0.0.1:{self.action_port}/webhook"


def slack_problems(settings: Settings) -> list[str]:
    """Return what is wrong with the Slack settings, a sentence each; none set is right too."""
    bot, app, secret = settings.slack_bot_token, settings.slack_app_token, settings.slack_signing_secret
    problems: list[str] = []
    if bot is None:
        problems.extend(
            f"{name} is set without SLACK_BOT_TOKEN: set the bot token (xoxb-...) too, or neither."
            for name, value in (("SLACK_APP_TOKEN", app), ("SLACK_SIGNING_SECRET", secret))
            if value is not None
        )
    elif app is None and secret is None:
        problems.append(
            "SLACK_BOT_TOKEN is set alone: set SLACK_APP_TOKEN too (Socket Mode), or SLACK_SIGNING_SECRET (HTTP mode)."
        )
    if bot is not None and not bot.get_secret_value().startswith("xoxb-"):
        problems.append("SLACK_BOT_TOKEN is not a bot token: it begins with xoxb- (page 'OAuth & Permissions').")
    if app is not None and not app.get_secret_value().startswith("xapp-"):
        problems.append("SLACK_APP_TOKEN is not an app-level token: it begins with xapp- (page 'Basic Information').")
    return problems


# What an inbox cannot do without, by the name of its field.
_NEEDED = {
    "webhook": ("handoff_url", "handoff_secret"),
    "chatwoot": ("handoff_url", "handoff_secret", "handoff_token", "handoff_account", "handoff_inbox"),
    "slack": ("slack_bot_token", "slack_care_channel"),
}


def handoff_problems(settings: Settings) -> list[str]:
    """Return what is wrong with the settings of the hand-off, a sentence each; none set is right too."""
    problems: list[str] = []
    kind = settings.handoff
    for name in _NEEDED.get(kind or "", ()):
        if getattr(settings, name) is None:
            (variable,) = Settings.__fields__[name].field_info.extra["env_names"]
            problems.append(f"CALLA_HANDOFF is {kind}, and that needs {variable}.")
    if kind is None and any((settings.handoff_url, settings.handoff_secret, settings.handoff_token)):
        problems.append("Settings of a hand-off are set without CALLA_HANDOFF (webhook, slack or chatwoot).")
    secret = settings.handoff_secret.get_secret_value() if settings.handoff_secret else None
    if kind == "webhook" and secret is not None and len(secret) < MIN_SECRET:
        problems.append(f"CALLA_HANDOFF_SECRET is too easy to guess: take at least {MIN_SECRET} random characters.")
    if settings.handoff_hours and not settings.handoff_time_zone:
        problems.append("CALLA_HANDOFF_HOURS needs CALLA_HANDOFF_TIME_ZONE, such as Europe/London.")
    try:
        OpeningHours(settings.handoff_hours, settings.handoff_time_zone or "UTC")
    except HoursError as problem:
        problems.append(f"CALLA_HANDOFF_HOURS or CALLA_HANDOFF_TIME_ZONE: {problem}.")
    return problems


def unknown_problems(names: Iterable[str]) -> list[str]:
    """Return a sentence for each variable that looks like a setting of Calla's and is none."""
    known = {name for field in Settings.__fields__.values() for name in field.field_info.extra["env_names"]}
    known |= {f"{name}_FILE" for name in MAY_BE_IN_FILES}
    problems = []
    for name in sorted(names):
        if name.startswith("CALLA_") and name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f" Do you mean {near[0]}?" if near else " All names are in .env.example."
            problems.append(f"{name} is no setting of Calla's.{hint}")
    return problems


def secret_problem(secret: str) -> Optional[str]:
    """Return a sentence if a secret is too easy to guess."""
    if len(secret) < MIN_SECRET or len(set(secret)) < MIN_SECRET // 3:
        return (
            f"CALLA_SECRET is too easy to guess: take at least {MIN_SECRET} random characters "
            "(python3 -c 'import secrets; print(secrets.token_urlsafe(32))')."
        )
    return None


def settings_problems(settings: Settings, names: Iterable[str]) -> list[str]:
    """Return what is wrong with settings that are well-formed each, a sentence each.

    Args:
        settings: the settings.
        names: names of the environment's variables.
    """
    names = set(names)
    problems = [*unknown_problems(names), *slack_problems(settings), *handoff_problems(settings)]
    for name in MAY_BE_IN_FILES:
        if os.environ.get(name, "").strip() and os.environ.get(f"{name}_FILE", "").strip():
            problems.append(f"{name} and {name}_FILE are both set: set one of them.")
    if settings.action_url is None and settings.port == settings.action_port:
        problems.append(f"CALLA_PORT and CALLA_ACTION_PORT are both {settings.port}: they must differ.")
    if settings.environment == "production":
        if settings.secret is None:
            problems.append("CALLA_SECRET is missing: in production it signs the visitors' sessions.")
        elif problem := secret_problem(settings.secret.get_secret_value()):
            problems.append(problem)
    return problems


def read_settings() -> Settings:
    """Read the settings from the environment.

    Raises:
        SettingsError: naming each variable that is wrong, and why.
    """
    try:
        settings = Settings()  # type: ignore[call-arg]  # pydantic fills it from the environment
    except ValidationError as error:
        lines: list[str] = []
        for wrong in error.errors():
            field = Settings.__fields__[str(wrong["loc"][0])]
            names = ", ".join(sorted(field.field_info.extra["env_names"]))
            lines.append(f"{names}: {wrong['msg']}")
        raise SettingsError("Wrong settings. " + "; ".join(lines)) from error
    if problems := settings_problems(settings, os.environ):
        raise SettingsError(" ".join(problems))
    return settings


@lru_cache(maxsize=1)
def settings() -> Settings:
    """Return the settings of this process, read once."""
    return read_settings()


# Rasa phones home (usage telemetry, crash reports) unless told not to. For a health bot
# that is off, whatever the operator's environment says.
QUIET = {
    "RASA_TELEMETRY_ENABLED": "false",
    "SQLALCHEMY_SILENCE_UBER_WARNING": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "SANIC_ACCESS_LOG": "false",
}


def silence_dependencies(*, tensorflow: bool = False) -> None:
    """Turn off telemetry and chatter of dependencies, and leave out TensorFlow; call before importing Rasa.

    Args:
        tensorflow: whether TensorFlow is needed after all (for Rasa's own pipeline).
    """
    os.environ.update(QUIET)
    if not tensorflow:
        leave_out_libraries()
    # Importing Sanic switches every package's deprecation warnings on; an operator can do
    # nothing about them.
    importlib.import_module("sanic.app")
    for category in (DeprecationWarning, FutureWarning):
        warnings.filterwarnings("ignore", category=category)
    # Unconfigured, Rasa's structured log prints every message in full (level debug); that also
    # takes seconds in which nobody is answered. The server goes further (``calla.logs``).
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
