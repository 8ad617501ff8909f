"""HL7 v2 over MLLP: a listener that hands messages to the gateway as the registered client behind them (docs/adr/0046)."""
