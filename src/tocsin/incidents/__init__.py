"""Incidents: findings that belong together, joined by what they share, each with its reasons."""

from tocsin.incidents.incident import Incident, IncidentRule, Member, Process, Stage

__all__ = ["Incident", "IncidentRule", "Member", "Process", "Stage"]
