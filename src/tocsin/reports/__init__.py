"""Reports: one self-contained page made of findings, for people to read offline."""

from tocsin.reports.findings_file import FindingsFile
from tocsin.reports.page import Report, write_report

__all__ = ["FindingsFile", "Report", "write_report"]
