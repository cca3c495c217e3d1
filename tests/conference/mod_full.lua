-- A room whose subject is "full" takes nobody more, as where the operator bounds its size.
local stanza = require "util.stanza";

module:hook("muc-occupant-pre-join", function (event)
	local _, subject = event.room:get_subject();
	if subject == "full" then
		event.origin.send(stanza.error_reply(event.stanza, "wait", "service-unavailable"));
		return true;
	end
end, 10);
