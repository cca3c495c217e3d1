"""A service that looks more often at all participants, for tests that wait for a look."""

import sys

from harness import Service

# The look of the pages (5 s in operation), and the look for what stands out (10 s).
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
    """Return *service*, which is not started yet, with a command that looks this often."""
    service.command = [sys.executable, "-c", _CODE]
    return service
