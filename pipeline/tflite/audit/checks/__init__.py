"""One check a module, all of one interface: `check(subject)` gives findings."""
