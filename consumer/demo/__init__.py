"""The demo: a simulated ERP or a captured stream, and real servers that live as long as the command."""
