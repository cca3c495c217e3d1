"""
Jingle between a focus and the library: the offer, and the senders (XEP-0166, 0167, 0176, 0320).

Sections and attributes are those of jicofo. All participants get the same payload types, so that
packets need no change on their way.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple
from xml.etree.ElementTree import Element, SubElement, fromstring, tostring

from bridge.stream import Source

_OPUS_TYPE = 111
VIDEO_TYPE: Final = 100
RETRANSMISSION_TYPE: Final = 96
JINGLE: Final = "urn:xmpp:jingle:1"
RTP: Final = "urn:xmpp:jingle:apps:rtp:1"
SOURCES: Final = "urn:xmpp:jingle:apps:rtp:ssma:0"
ICE: Final = "urn:xmpp:jingle:transports:ice-udp:1"
DTLS: Final = "urn:xmpp:jingle:apps:dtls:0"
_FEEDBACK = "urn:xmpp:jingle:apps:rtp:rtcp-fb:0"
_OWNER = "http://jitsi.org/jitmeet"
_EXTENSION = "urn:xmpp:jingle:apps:rtp:rtp-hdrext:0"
_NAMESPACES = {
    "rtp": RTP,
    "extension": _EXTENSION,
    "sources": SOURCES,
    "owner": _OWNER,
    "ice": ICE,
    "dtls": DTLS,
}
_MEDIA = {
    "audio": f"""
        <payload-type id="{_OPUS_TYPE}" name="opus" clockrate="48000" channels="2">
          <parameter name="minptime" value="10"/><parameter name="useinbandfec" value="1"/>
          <rtcp-fb xmlns="{_FEEDBACK}" type="transport-cc"/>
        </payload-type>
        <rtp-hdrext xmlns="{_EXTENSION}" id="1" uri="urn:ietf:params:rtp-hdrext:ssrc-audio-level"/>
    """,
    "video": f"""
        <payload-type id="{VIDEO_TYPE}" name="VP8" clockrate="90000">
          <parameter name="x-google-start-bitrate" value="800"/>
          <rtcp-fb xmlns="{_FEEDBACK}" type="ccm" subtype="fir"/>
          <rtcp-fb xmlns="{_FEEDBACK}" type="nack"/>
          <rtcp-fb xmlns="{_FEEDBACK}" type="nack" subtype="pli"/>
          <rtcp-fb xmlns="{_FEEDBACK}" type="transport-cc"/>
        </payload-type>
        <payload-type id="{RETRANSMISSION_TYPE}" name="rtx" clockrate="90000">
          <parameter name="apt" value="{VIDEO_TYPE}"/>
          <rtcp-fb xmlns="{_FEEDBACK}" type="ccm" subtype="fir"/>
          <rtcp-fb xmlns="{_FEEDBACK}" type="nack"/>
          <rtcp-fb xmlns="{_FEEDBACK}" type="nack" subtype="pli"/>
        </payload-type>
    """,
}
# The bridge's own streams, of which nothing comes: the library wants them to be there.
_MIXED = {"audio": 11, "video": 12}
_CONTENT = """
  <content creator="initiator" name="{kind}" senders="both">
    <description xmlns="{rtp}" media="{kind}" maxptime="60">{media}
      <rtp-hdrext xmlns="{extension}" id="5"
        uri="http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"/>
      <source xmlns="{sources}" ssrc="{mixed}">
        <ssrc-info xmlns="{owner}" owner="jvb"/>
        <parameter name="cname" value="mixed"/>
        <parameter name="msid" value="mixedmslabel mixedlabel{kind}0"/>
      </source>
      <rtcp-mux/>
    </description>
    <transport xmlns="{ice}" ufrag="{ufrag}" pwd="{password}">
      <rtcp-mux/>
      <fingerprint xmlns="{dtls}" hash="sha-256" setup="actpass">{fingerprint}</fingerprint>
      <candidate component="1" foundation="1" generation="0" id="1" network="0" protocol="udp"
        priority="2130706431" type="host" ip="{host}" port="{port}"/>
      <web-socket xmlns="http://jitsi.org/protocol/colibri" url="{channel}"/>
    </transport>
  </content>"""
_WHOLE = """
<jingle xmlns="{jingle}">
  <group xmlns="urn:xmpp:jingle:apps:grouping:0" semantics="BUNDLE">
    <content name="audio"/><content name="video"/>
  </group>
  {sections}
  <bridge-session xmlns="http://jitsi.org/protocol/focus" id="1" region="{region}"/>
</jingle>"""


class Ice(NamedTuple):
    """How to reach the bridge: names and password of ICE, its certificate, its one candidate."""

    ufrag: str
    password: str
    fingerprint: str
    address: tuple[str, int]


def offer(ice: Ice, channel: str, region: str) -> list[Element]:
    """Return what is in a session-initiate; *channel* is the URL of the bridge's channel."""
    host, port = ice.address
    sections = "".join(
        _CONTENT.format(
            kind=kind,
            media=media,
            mixed=_MIXED[kind],
            host=host,
            port=port,
            channel=channel,
            **_NAMESPACES,
            **ice._asdict(),
        )
        for kind, media in _MEDIA.items()
    )
    return list(fromstring(_WHOLE.format(jingle=JINGLE, sections=sections, region=region)))


def read_sources(jingle: Element) -> list[Source]:
    """Return the streams that a participant announces, or takes back."""
    return [
        source for content in jingle.iter(f"{{{JINGLE}}}content") for source in _of_section(content)
    ]


def _of_section(content: Element) -> Iterable[Source]:
    kind = content.get("name", "")
    again = dict(_pairs(content))
    for each in content.iterfind(f"{{{RTP}}}description/{{{SOURCES}}}source"):
        ssrc = int(each.get("ssrc", 0))
        if ssrc not in again.values():
            yield Source(ssrc, kind, again.get(ssrc, 0))


def _pairs(content: Element) -> Iterable[tuple[int, int]]:
    """Yield each stream with the one that brings its packets once more."""
    for group in content.iter(f"{{{SOURCES}}}ssrc-group"):
        if group.get("semantics") == "FID":
            first, second = (int(one.get("ssrc", 0)) for one in group)
            yield first, second


def read_password(jingle: Element) -> str:
    """Return a participant's password of ICE."""
    return next(jingle.iter(f"{{{ICE}}}transport")).get("pwd", "")


def announced(jingle: Element, owner: str) -> list[Element]:
    """Return the sections of *jingle* as the others are told of them: what *owner* sends."""
    sections = []
    for content in jingle.iter(f"{{{JINGLE}}}content"):
        section = Element(f"{{{JINGLE}}}content", name=content.get("name", ""), creator="initiator")
        description = SubElement(section, f"{{{RTP}}}description", media=content.get("name", ""))
        for each in content.iterfind(f"{{{RTP}}}description/*"):
            if each.tag in {f"{{{SOURCES}}}source", f"{{{SOURCES}}}ssrc-group"}:
                copy = fromstring(tostring(each))
                if each.tag.endswith("source"):
                    SubElement(copy, f"{{{_OWNER}}}ssrc-info", owner=owner)
                description.append(copy)
        if len(description):
            sections.append(section)
    return sections
