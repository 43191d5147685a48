"""The manifest of the Slack app, from what the code asks of Slack: paste it when you create the app."""

import yaml

from activities.slack.checking import GROUPS, HISTORY, SCOPES

HEAD = """# The Slack app of Firebreak: https://api.slack.com/apps → Create New App → From a manifest.
# Written from the code by `make fix`. For signed requests instead of Socket Mode set socket_mode_enabled to false
# and interactivity.request_url to https://YOUR-ADDRESS/slack/interactivity.
"""


def manifest() -> str:
    """Return the manifest as YAML."""
    body = {
        "display_information": {
            "name": "Firebreak",
            "description": "Incidents in Kubernetes: one message each, and buttons to decide.",
        },
        "features": {"bot_user": {"display_name": "Firebreak", "always_online": False}},
        "oauth_config": {"scopes": {"bot": sorted((*SCOPES, *HISTORY, GROUPS))}},
        "settings": {
            "interactivity": {"is_enabled": True},
            "org_deploy_enabled": False,
            "socket_mode_enabled": True,
            "token_rotation_enabled": False,
        },
    }
    return HEAD + yaml.safe_dump(body, sort_keys=False, allow_unicode=True)
