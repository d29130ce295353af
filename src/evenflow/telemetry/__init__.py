"""OpenTelemetry for evenflow: spans of publishing and handling, linked through buffers and logs, and metrics.

    from evenflow.telemetry import instrument

    instrument(orders, log)

It needs the extra ``otel``, which is OpenTelemetry's API alone; the program chooses the SDK and the exporters.

    _instrument    who is followed, and how that ends
    _publishing    the span around a publish            _following    the seams of the core and of the log
    _spans         how a span is made and ends          _destination  how a subject is named in spans and metrics
    _reports       the instruments of a meter provider  _words        the names of everything
    _ledger        the numbers of a subject in memory   _durable_numbers  those of a durable one
"""

try:
    from ._instrument import Instrumentation, instrument
except ModuleNotFoundError as _missing:
    if (_missing.name or "").partition(".")[0] != "opentelemetry":
        raise
    raise ModuleNotFoundError(
        "evenflow.telemetry needs OpenTelemetry's API, which is not installed: pip install 'evenflow[otel]'",
        name=_missing.name,
    ) from None

__all__ = ["Instrumentation", "instrument"]
