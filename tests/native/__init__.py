"""What is compiled, alone: its verdicts, and its memory under the compiler's sanitizers."""
