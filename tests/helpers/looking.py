"""A service that looks at everybody more often, for tests that wait for what it finds."""

import sys

from harness import Service

# Of what pages show (5 s), and for what stands out (10 s).
LOOK_SECONDS = 1.0
STANDING_SECONDS = 2.0
_CODE = f"""
from otel_jcmc.command.arguments import main
from otel_jcmc.metrics import watch
from otel_jcmc.pages import viewing

viewing.LOOK_SECONDS = {LOOK_SECONDS}
watch.LOOK_SECONDS = {STANDING_SECONDS}
main()
"""


def looking_often(service: Service) -> Service:
    """Return *service*, which has not been started yet and looks so often when it is."""
    service.command = [sys.executable, "-c", _CODE]
    return service
