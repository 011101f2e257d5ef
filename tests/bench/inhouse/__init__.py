"""The design that Sluice replaces, written small: spool on the web tier, then send a second time."""
