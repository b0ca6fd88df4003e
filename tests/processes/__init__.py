"""Real worker processes on real servers, killed, frozen and cut off; what is left is compared with what is right."""
