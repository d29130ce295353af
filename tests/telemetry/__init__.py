"""Tests of `evenflow.telemetry`, by the exporters in memory of OpenTelemetry's SDK."""
