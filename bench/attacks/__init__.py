"""The parts of bench/attack, one question a module."""
