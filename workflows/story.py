"""What Temporal's UI shows of an incident: details that read as a story, and pages for people."""

from datetime import datetime

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from signals.decisions import Decision, Tier
    from signals.display import markdown
    from signals.incidents import Incident, IncidentState
    from signals.pages import Page, PageKind
    from signals.threats import Severity

_SEVERITY = {
    Tier.OBSERVE: Severity.INFO,
    Tier.RESTRICT: Severity.MEDIUM,
    Tier.ISOLATE: Severity.HIGH,
    Tier.ESCALATE: Severity.CRITICAL,
}


def details(incident: Incident) -> str:
    """Return an incident as Markdown: what, what was done, what waits, when."""
    summary = incident.summary
    lines = [
        f"## {markdown(summary.title, 200)}",
        "",
        f"**{summary.state}** · Tier {summary.tier} · {summary.severity}",
    ]
    if summary.waiting_for:
        wait = summary.waiting_for
        lines += [
            "",
            f"**Waits for {' or '.join(wait.roles)}** until {wait.deadline:%H:%M:%S} UTC: {wait.kind}",
        ]
    if incident.receipts:
        lines += ["", "| Action | State | Until |", "|---|---|---|"]
        lines += [
            f"| {markdown(r.action.summary, 160)} | {r.state} | {r.expires_at:%Y-%m-%d %H:%M} |"
            if r.expires_at
            else f"| {markdown(r.action.summary, 160)} | {r.state} | |"
            for r in incident.receipts
        ]
    lines += ["", "### Timeline", ""]
    lines += [
        f"- `{moment.at:%H:%M:%S}` {markdown(moment.what, 160)}"
        + (f": {markdown(moment.detail, 160)}" if moment.detail else "")
        for moment in incident.timeline[-30:]
    ]
    return "\n".join(lines)


def page(incident: Incident, decision: Decision, at: datetime) -> Page:
    """Return what people are told after a judgement."""
    summary = incident.summary
    asks = summary.waiting_for is not None
    unattended = not decision.actions and bool(decision.why_not)
    tier = min(decision.tier, Tier.RESTRICT) if unattended else decision.tier
    kind = PageKind.APPROVAL if asks else PageKind.PAGE
    stands = ", ".join(f"{r.action.summary}: {r.state}" for r in incident.receipts) or "nothing was written"
    sure = "unknown" if decision.confidence is None else f"{decision.confidence:.2f}"
    return Page(
        incident=summary.id,
        cluster=incident.cluster,
        kind=kind,
        severity=_SEVERITY[Tier(tier)],
        title=decision.title,
        text=stands if not decision.why_not else f"{stands}. {decision.why_not}",
        facts={
            "tier": str(int(decision.tier)),
            "confidence": sure,
            "state": summary.state,
            "entities": ", ".join(summary.entities[:10]),
            "residual": "; ".join(sorted({line for r in incident.receipts for line in r.plan.residual})),
        },
        dedup_key=f"{summary.id}/{kind}/{decision.revision}",
        at=at,
    )


def note(incident: Incident, kind: PageKind, text: str, at: datetime) -> Page:
    """Return a short message about something that happened to an incident."""
    summary = incident.summary
    severity = Severity.HIGH if kind is PageKind.DRIFT else Severity.INFO
    return Page(
        incident=summary.id,
        cluster=incident.cluster,
        kind=kind,
        severity=severity,
        title=summary.title,
        text=text,
        facts={"state": summary.state if summary.state is not IncidentState.CLOSED else "closed"},
        dedup_key=f"{summary.id}/{kind}/{at.isoformat()}",
        at=at,
    )
