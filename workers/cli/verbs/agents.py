"""`firebreak agents list | revoke NAME | restore NAME | rotate`: who is let in on the bus, and with what."""

from argparse import ArgumentParser, Namespace

from workers.cli.verb import Verb, program, state_dir


def arguments(parser: ArgumentParser) -> None:
    """Add what to do, and with whom."""
    parser.add_argument(
        "what",
        choices=("list", "revoke", "restore", "rotate"),
        help="list: who is let in; revoke: cut one off at once, and keep it out; restore: let it in again;"
        " rotate: make certificates and signing keys anew",
    )
    parser.add_argument("name", metavar="NAME", nargs="?", help="revoke, restore: whom")


def run(options: Namespace) -> int:
    """List, revoke, restore or rotate."""
    from signals.errors import BadInput
    from workers.cli.output import emit
    from workers.cli.screen import Screen
    from workers.stack import admittance, revocation, rotation
    from workers.stack.layout import Layout

    layout, screen = Layout(state_dir(options).absolute()), Screen()
    if options.what in ("revoke", "restore"):
        if not options.name:
            raise BadInput(f"Say whom: `{program(options)} agents list` shows who there is.")
        change = revocation.revoke if options.what == "revoke" else revocation.restore
        changed = change(layout, options.name)
        _record(options, {"name": options.name, "revoked": options.what == "revoke"})
        done = "is revoked: NATS has cut it off" if options.what == "revoke" else "is let in again"
        document = {"name": options.name, "revoked": options.what == "revoke", "changed": changed}
        emit(options, document, lambda: screen.say(f"{options.name} {done}."))
    elif options.what == "rotate":
        turned = rotation.turn_now(layout)
        document = {"certificates": True, "signing_keys": list(turned)}
        emit(
            options, document, lambda: screen.say(f"New certificates; new signing keys: {', '.join(turned)}.")
        )
    else:
        found = admittance.admitted(layout)
        emit(
            options,
            [one.model_dump(mode="json") for one in found],
            lambda: screen.table(
                ("name", "revoked", "certificate until", "signs since"), admittance.rows(found)
            ),
        )
    return 0


def _record(options: Namespace, body: dict[str, object]) -> None:
    """Tell the audit record; without a NATS that runs there is none to tell."""
    import asyncio

    from signals.audit import Kind
    from signals.errors import FirebreakError
    from workers.cli import operating
    from workers.cli.output import note

    options.nats, options.nats_dir = None, None

    async def told() -> None:
        async with operating.operating(options) as bus:
            await operating.record(options, bus, Kind.REVOCATION, body)

    try:
        asyncio.run(told())
    except FirebreakError as error:
        note(f"This is not on the audit record: {error}.")


VERB = Verb(
    name="agents",
    help="who is let in on the bus: list, revoke, restore, rotate credentials",
    arguments=arguments,
    run=run,
)
