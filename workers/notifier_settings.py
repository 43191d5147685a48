"""The settings of pagers, tickets and webhooks. Secrets stand in files, never in the environment."""

from pathlib import Path

from pydantic import BaseModel


class NotifierSettings(BaseModel, frozen=True):
    """How the liaison reaches what is not Slack. What is not given is off."""

    pagerduty_key_file: Path | None = None
    """File with the integration key (32 characters) of a PagerDuty service with Events API v2."""

    pagerduty_url: str = "https://events.pagerduty.com/v2/enqueue"
    """Where PagerDuty takes events; another one for its EU region."""

    jira_url: str | None = None
    """Jira Cloud, as `https://example.atlassian.net`."""

    jira_user: str | None = None
    """E-mail address of the Jira account that writes the tickets."""

    jira_token_file: Path | None = None
    """File with an API token of that account."""

    jira_project: str | None = None
    """Key of the project that gets the tickets, as `SEC`."""

    jira_issue_type: str = "Task"
    """Name of the issue type of a ticket."""

    jira_closed: str | None = None
    """Name of the transition that a closed incident's ticket takes, as `Done`; None leaves it open."""

    servicenow_url: str | None = None
    """ServiceNow, as `https://example.service-now.com`."""

    servicenow_user: str | None = None
    """ServiceNow account that writes the incidents."""

    servicenow_password_file: Path | None = None
    """File with its password."""

    servicenow_close_code: str | None = None
    """Close code with which a closed incident's record is resolved; None leaves it open."""

    webhook_url: str | None = None
    """Where each page is posted as a CloudEvent."""

    webhook_secret_file: Path | None = None
    """File with the secret that signs what is posted there, 32 characters or more."""

    private_hosts: str = ""
    """Hosts, separated by commas, of these URLs that may be private addresses, or plain HTTP. No other may."""
