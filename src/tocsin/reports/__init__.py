"""Reports: one self-contained page made of findings, for people to read offline."""

from tocsin.reports.page import Report, write_report
from tocsin.reports.paper import find_browser, print_pdf

__all__ = ["Report", "find_browser", "print_pdf", "write_report"]
