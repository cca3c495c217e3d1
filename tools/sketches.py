"""Draws docs/pictures/road.svg and docs/pictures/verdict.svg, which `make generate` writes."""

from tools.drawing import Box, arrow, picture, text


def road_picture() -> str:
    """Return the road of a push: from browsers through Redis to whoever reads."""
    browsers = Box(20, 52, 168, 66, "Browsers", ("the client file reads", "WebRTC statistics"))
    service_lines = (
        "checks each push, judges",
        "it, answers when Redis",
        "has it; reads who is live",
    )
    service = Box(266, 44, 190, 82, "otel_jcmc", service_lines)
    redis_lines = ("last states until they expire,", "sessions for a day")
    redis = Box(266, 190, 190, 66, "Redis or Valkey", redis_lines)
    readers = [
        Box(540, 20 + 84 * number, 190, 66, name, lines)
        for number, (name, lines) in enumerate(
            (
                ("Prometheus", ("scrapes /metrics:", "dashboards and alerts")),
                ("Collector", ("gets OTLP: metrics,", "traces, events as logs")),
                ("You", ("look at /live, and", "at sessions that are over")),
            )
        )
    ]
    drawn = [
        arrow("M188 85H264"),
        text(226, 77, "push", anchor="middle"),
        text(226, 101, "every 10 s", anchor="middle"),
        arrow("M320 126V188"),
        text(312, 162, "write", anchor="end"),
        arrow("M402 190V128"),
        text(410, 162, "read"),
        *(arrow(f"M456 85C500 85 496 {box.top + 33:g} 538 {box.top + 33:g}") for box in readers),
        *(box.svg for box in (browsers, service, redis, *readers)),
    ]
    told = "Browsers push to otel_jcmc, which keeps states in Redis for Prometheus, OTLP and people"
    return picture(750, 276, told, drawn)


def verdict_picture() -> str:
    """Return where each cause of the verdict lies on the way from a sender to receivers."""
    ada, bridge, bob, eve = (
        Box(left, top, 130, 46, name, (line,))
        for left, top, name, line in (
            (20, 100, "ada", "sends"),
            (310, 100, "bridge", "passes gaps on"),
            (600, 36, "bob", "receives"),
            (600, 164, "eve", "receives"),
        )
    )
    signs = (
        (85, 90, "device"),
        (229, 112, "uplink"),
        (508, 76, "downlink"),
        (508, 178, "downlink"),
        (665, 26, "device"),
        (665, 230, "device"),
    )
    drawn = [
        arrow("M150 123H308"),
        arrow("M440 116 598 64"),
        arrow("M440 130 598 184"),
        *(text(x, y, said, "sign", "middle") for x, y, said in signs),
        text(229, 142, "loss here reaches", anchor="middle"),
        text(229, 156, "all receivers", anchor="middle"),
        *(box.svg for box in (ada, bridge, bob, eve)),
    ]
    return picture(750, 244, "Where each cause is, between a sender, a bridge and receivers", drawn)
