"""What is measured, one measurement a file."""

from loadtests.bench.measure import Measure
from loadtests.bench.measures.burst import Events, Stream, Whole
from loadtests.bench.measures.chain import Chain
from loadtests.bench.measures.dialects import Messages, MessagesStream
from loadtests.bench.measures.failover import Failover
from loadtests.bench.measures.latency import Latency
from loadtests.bench.measures.leave import Leave
from loadtests.bench.measures.memory import Residence
from loadtests.bench.measures.paced import Paced, Steady
from loadtests.bench.measures.startup import Startup
from loadtests.bench.measures.turns import Turns

MEASURES: tuple[type[Measure], ...] = (
    Whole,
    Stream,
    Events,
    Messages,
    MessagesStream,
    Steady,
    Paced,
    Latency,
    Chain,
    Turns,
    Startup,
    Residence,
    Leave,
    Failover,
)
