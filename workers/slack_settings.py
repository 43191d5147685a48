"""The settings of Slack, apart from all others: without them there is no Slack."""

from pathlib import Path

from pydantic import BaseModel, Field


class SlackSettings(BaseModel, frozen=True):
    """How the liaison reaches Slack, and is reached."""

    slack_token_file: Path | None = None
    """File with the bot token (`xoxb-…`) of the Slack app; None means no Slack."""

    slack_app_token_file: Path | None = None
    """File with the app-level token (`xapp-…`) for Socket Mode: clicks come over a connection that we open."""

    slack_signing_secret_file: Path | None = None
    """File with the app's signing secret: clicks come as requests from Slack. With both, both are heard."""

    slack_host: str = "127.0.0.1"
    """Address on which the liaison receives Slack's requests; TLS ends before it, at an ingress."""

    slack_port: int = Field(default=2803, ge=0, le=65535)
    """TCP port of the same. The path is /slack/interactivity."""

    slack_team: str | None = None
    """Id of the workspace, as `T0123ABCD`: clicks from any other are refused."""

    slack_channel: str | None = None
    """Id of the channel that gets messages, as `C0123ABCD`."""

    slack_routes: str = ""
    """Other channels: `namespace/shop=C1,severity/critical=C2`. The namespace goes before the severity."""

    slack_mention: str = ""
    """Id of a user group, as `S0123ABCD`, that is mentioned where somebody is needed: a channel wakes nobody."""

    slack_url: str = "https://slack.com/api/"
    """Base URL of Slack's Web API."""
