"""Events: the gate they come through, their fields and values, and the batches that reach the engine."""

from tocsin.events.batch import CELL_TYPE, HOST, KEYWORDS, TIME, Demand, EventBatch, batch_of, cell_column
from tocsin.events.event import Brief, Event
from tocsin.events.gate import Gate

__all__ = ["CELL_TYPE", "HOST", "KEYWORDS", "TIME", "Brief", "Demand", "Event", "EventBatch", "Gate", "batch_of", "cell_column"]
