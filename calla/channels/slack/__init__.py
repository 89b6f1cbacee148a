"""The Slack channel."""

from calla.channels.slack.channel import SlackInput

__all__ = ["SlackInput"]
