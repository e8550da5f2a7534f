"""The trace: one append-only log per episode, the only source of every metric."""

from emcoop.trace.reader import Limits as Limits
from emcoop.trace.reader import Trace as Trace
from emcoop.trace.reader import read_trace as read_trace
from emcoop.trace.reader import trace_digest as trace_digest
from emcoop.trace.writer import TraceWriter as TraceWriter
