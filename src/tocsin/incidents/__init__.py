"""Incidents: findings that belong together, joined by what they share, each with its reasons."""

from tocsin.incidents.incident import Incident, IncidentRule, Member, Process, Stage
from tocsin.incidents.joining import MOST_FINDINGS, Joined, join

__all__ = ["MOST_FINDINGS", "Incident", "IncidentRule", "Joined", "Member", "Process", "Stage", "join"]
