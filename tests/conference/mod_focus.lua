-- Stands for jicofo, as far as two who call each other need it: every conference is ready.
local stanza = require "util.stanza";
local namespace = "http://jitsi.org/protocol/focus";

module:hook("iq-set/host/" .. namespace .. ":conference", function (event)
	local asked = event.stanza:get_child("conference", namespace);
	event.origin.send(stanza.reply(event.stanza):tag("conference", {
		xmlns = namespace, ready = "true", focusjid = "focus@meet.local", room = asked.attr.room,
	}));
	return true;
end);
