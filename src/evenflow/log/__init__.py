"""Events that outlive the process: publish, crash, start again, and go on where each reader was."""

from evenflow._errors import (
    Conflict as Conflict,
    DecodeError as DecodeError,
    LeaseLost as LeaseLost,
    LogError as LogError,
    OffsetExpired as OffsetExpired,
    Uncertain as Uncertain,
    Unsupported as Unsupported,
)

from ._bridge import Bridge as Bridge, BridgeStatistics as BridgeStatistics, bridge as bridge
from ._capabilities import Capabilities as Capabilities, Capability as Capability
from ._consumer import Consumer as Consumer, ConsumerFailed as ConsumerFailed, ConsumerStatistics as ConsumerStatistics
from ._dead_letters import DeadLetter as DeadLetter
from ._deliveries import Deliveries as Deliveries
from ._delivery import Batch as Batch, Delivery as Delivery
from ._from_url import from_url as from_url
from ._group_statistics import GroupStatistics as GroupStatistics
from ._log import Log as Log
from ._log_statistics import DurableSubjectStatistics as DurableSubjectStatistics, LogStatistics as LogStatistics
from ._offsets import Offset as Offset, Since as Since, Until as Until
from ._record import Record as Record
from ._retain import Retain as Retain
from ._schedule import Scheduled as Scheduled
from ._schemas import upgrade as upgrade
from ._sqlite_log import SQLiteLog as SQLiteLog
from ._subject import DurableSubject as DurableSubject
from ._transaction import (
    SQLiteTransaction as SQLiteTransaction,
    SQLTransaction as SQLTransaction,
    Transaction as Transaction,
)

__all__ = [
    "Batch",
    "Bridge",
    "BridgeStatistics",
    "Capabilities",
    "Capability",
    "Conflict",
    "Consumer",
    "ConsumerFailed",
    "ConsumerStatistics",
    "DeadLetter",
    "DecodeError",
    "Deliveries",
    "Delivery",
    "DurableSubject",
    "DurableSubjectStatistics",
    "GroupStatistics",
    "LeaseLost",
    "Log",
    "LogError",
    "LogStatistics",
    "Offset",
    "OffsetExpired",
    "Record",
    "Retain",
    "SQLTransaction",
    "SQLiteLog",
    "SQLiteTransaction",
    "Scheduled",
    "Since",
    "Transaction",
    "Uncertain",
    "Unsupported",
    "Until",
    "bridge",
    "from_url",
    "upgrade",
]
