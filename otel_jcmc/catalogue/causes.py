"""
Causes of failed joins and calls: one closed list of words.

The browser sends lib-jitsi-meet's name of the error. The service stores its own word for this
error, or `other` if the name is unknown. So a page cannot write its own text into a label, a log or
a span.

Source: JitsiConferenceErrors.ts and JitsiConnectionErrors.ts of lib-jitsi-meet, and the names that
releases up to v2193 used.
"""

from typing import Final

OTHER: Final = "other"
# Errors of a conference begin with `conference.`, errors of its XMPP connection with `connection.`.
# An error that only asks a person for something (a password, a name, the lobby) is not a failure.
# The client does not send such an error; if one arrives all the same, it has its own word.
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
    """Return the word of CAUSES for lib-jitsi-meet's *error*, `other` if it is not in CAUSES."""
    return CAUSES.get(error, OTHER) if isinstance(error, str) else OTHER
