"""A historian, an object store and a secrets store on this machine, real servers, for trying things out."""

from sensorstream.sandbox.servers import down, status, up
from sensorstream.sandbox.state import Sandbox, ServerStatus

__all__ = ["Sandbox", "ServerStatus", "down", "status", "up"]
