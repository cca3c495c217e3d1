"""
Why a join or a call failed: one closed list of words.

The browser sends the name that lib-jitsi-meet gives its error; what is kept is our word for it, and
`other` for any name that is not here. So no text of a page gets into a label, a log or a span.

Source: JitsiConferenceErrors.ts and JitsiConnectionErrors.ts of lib-jitsi-meet, and the names that
releases up to v2193 had.
"""

from typing import Final

OTHER: Final = "other"
# The names of a conference begin with `conference.`, those of its XMPP connection with
# `connection.`. What asks a person for something (a password, a name, the lobby) is no failure by
# itself; the browser does not send it, and where it comes all the same it is told as what it is.
CAUSES: Final = {
    "conference.authenticationRequired": "authentication_required",
    "conference.connectionError": "connection_error",
    "conference.connectionError.accessDenied": "access_denied",
    "conference.connectionError.membersOnly": "members_only",
    "conference.connectionError.notAllowed": "not_allowed",
    "conference.destroyed": "destroyed",
    "conference.display_name_required": "display_name_required",
    "conference.focusDisconnected": "focus_disconnected",
    "conference.focusLeft": "focus_left",
    "conference.gracefulShutdown": "graceful_shutdown",
    "conference.iceFailed": "ice_failed",
    "conference.incompatible_server_versions": "incompatible_server_versions",
    "conference.max_users": "max_users",
    "conference.offerAnswerFailed": "offer_answer_failed",
    "conference.passwordNotSupported": "password_not_supported",
    "conference.passwordRequired": "password_required",
    "conference.reservationError": "reservation_error",
    "conference.restarted": "restarted",
    "conference.settingsError": "settings_error",
    "conference.videobridgeNotAvailable": "bridge_not_available",
    "connection.conferenceRequestFailed": "conference_request_failed",
    "connection.droppedError": "connection_dropped",
    "connection.notLiveError": "not_live",
    "connection.otherError": "connection_failed",
    "connection.passwordRequired": "login_required",
    "connection.serverError": "server_error",
    "connection.shardChangedError": "shard_changed",
}
# All words that a cause can be.
WORDS: Final = frozenset((*CAUSES.values(), OTHER))


def cause_of(error: object) -> str:
    """Return our word for what lib-jitsi-meet calls *error*."""
    return CAUSES.get(error, OTHER) if isinstance(error, str) else OTHER
