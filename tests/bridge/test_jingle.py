"""What a participant says of its streams, and what the others are told of them."""

from xml.etree.ElementTree import fromstring

from bridge import jingle
from bridge.stream import Source

ACCEPT = fromstring(
    """
    <jingle xmlns="urn:xmpp:jingle:1" action="session-accept">
      <content name="audio">
        <description xmlns="urn:xmpp:jingle:apps:rtp:1" media="audio">
          <payload-type id="111" name="opus"/>
          <source xmlns="urn:xmpp:jingle:apps:rtp:ssma:0" ssrc="10">
            <parameter name="msid" value="ada-audio a"/>
          </source>
        </description>
        <transport xmlns="urn:xmpp:jingle:transports:ice-udp:1" ufrag="name" pwd="secret"/>
      </content>
      <content name="video">
        <description xmlns="urn:xmpp:jingle:apps:rtp:1" media="video">
          <source xmlns="urn:xmpp:jingle:apps:rtp:ssma:0" ssrc="11"/>
          <source xmlns="urn:xmpp:jingle:apps:rtp:ssma:0" ssrc="12"/>
          <ssrc-group xmlns="urn:xmpp:jingle:apps:rtp:ssma:0" semantics="FID">
            <source ssrc="11"/><source ssrc="12"/>
          </ssrc-group>
        </description>
      </content>
    </jingle>
    """
)
ICE = jingle.Ice("ours", "password", "AB:CD", ("127.0.0.1", 10000))


def test_a_stream_is_announced_with_the_one_that_brings_its_packets_again() -> None:
    assert jingle.read_sources(ACCEPT) == [Source(10, "audio"), Source(11, "video", 12)]
    assert jingle.read_password(ACCEPT) == "secret"


def test_the_others_are_told_whose_streams_they_are_and_nothing_of_the_transport() -> None:
    audio, video = jingle.announced(ACCEPT, "room/ada")
    assert (audio.get("name"), video.get("name")) == ("audio", "video")
    owners = [
        each[-1].get("owner")
        for each in video.iterfind(f"{{{jingle.RTP}}}description/")
        if each.get("ssrc")
    ]
    assert owners == ["room/ada", "room/ada"]
    assert [child.tag for child in audio] == [f"{{{jingle.RTP}}}description"]
    assert [each.tag for each in audio[0]] == [f"{{{jingle.SOURCES}}}source"]
    assert audio[0][0][0].get("value") == "ada-audio a"


def test_an_offer_says_how_to_reach_the_bridge_and_where_that_is() -> None:
    _, audio, video, where = jingle.offer(ICE, "ws://here/colibri-ws/jvb-1/conference/ours", "eu")
    assert where.get("region") == "eu"
    for section in (audio, video):
        transport = section.find(f"{{{jingle.ICE}}}transport")
        assert transport is not None
        assert (transport.get("ufrag"), transport.get("pwd")) == ("ours", "password")
        candidate = transport.find(f"{{{jingle.ICE}}}candidate")
        assert candidate is not None
        assert (candidate.get("ip"), candidate.get("port")) == ("127.0.0.1", "10000")
        assert transport[-1].get("url") == "ws://here/colibri-ws/jvb-1/conference/ours"
