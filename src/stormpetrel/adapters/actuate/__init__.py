"""Actuators: one system a module, behind `ports.actuate.Actuator`."""
