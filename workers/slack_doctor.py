"""What `firebreak doctor` says of Slack: not connected, as it must be, or what is missing."""

from activities.outbound import secret
from activities.slack.checking import check
from activities.slack.web import Web
from signals.errors import SettingsInvalid, Unavailable
from workers.settings import Settings

TOKEN, APP_TOKEN = "FIREBREAK_SLACK_TOKEN_FILE", "FIREBREAK_SLACK_APP_TOKEN_FILE"


async def examine(given: Settings) -> tuple[bool, tuple[str, ...]]:
    """Return whether Slack is connected, and what is wrong with it."""
    if given.slack_token_file is None:
        return False, ()
    try:
        web = Web(secret(given.slack_token_file, TOKEN, begins="xoxb-"), given.slack_url)
        file = given.slack_app_token_file
        app = Web(secret(file, APP_TOKEN, begins="xapp-"), given.slack_url) if file else None
        found = await check(web, app, given.slack_team or "", groups=False)
    except (SettingsInvalid, Unavailable) as error:
        return True, (str(error),)
    deaf = not (given.slack_app_token_file or given.slack_signing_secret_file)
    silent = (f"nobody can press a button: name {APP_TOKEN} or FIREBREAK_SLACK_SIGNING_SECRET_FILE",)
    return True, (*found.wrong, *(silent if deaf else ()))
