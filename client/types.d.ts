// What the comments of the parts call by name. Nothing of this is served.

/** Not ours: the page's objects, the library's and the browser's reports, of any shape. */
// biome-ignore lint/suspicious/noExplicitAny: that is the point
type Untrusted = any;

/** As the server fills it in. */
interface Settings {
    version?: string;
    pushUrl?: string | null;
    intervalMs?: number;
    jitterMs?: number;
    collectUsername?: boolean;
    collectAddresses?: boolean;
    collectFeedback?: boolean;
    sendJwt?: boolean;
    /** Beside the push: the server gives tokens there, and wants one with each push. */
    tokenUrl?: string;
    debug?: boolean;
}

type Labels = Record<string, string | undefined>;

/** null: not known now. */
interface Metric {
    value: number | null;
    labels?: Labels;
}

/** As on the wire: a Metric for each name, and a list of them for `transport_rtt`. */
interface Sample {
    metrics: Record<string, Untrusted>;
}

/** A stat, the same one a sample before (false if it is new or was reset), what terms call it. */
type Stream = [Untrusted, Untrusted, types: string[]];

/** A path in the library's stats; in small letters, the wire's name. */
type Field = string;

/** A metric's members of the report, and the members that it is divided by (docs/browsers.md). */
type Row = [name: string, how: string, of: Term[], times: number, per?: Term[]];

/** 1 to add or -1 to subtract, the type of the stat, its member, that one's member. */
type Term = [factor: number, type: string, ...path: string[]];

type ReadStats = (
    stats?: Untrusted,
    options?: {
        username?: string;
        participants?: number;
        joinMs?: number;
        bridge?: string;
        collectAddresses?: boolean;
    },
) => Sample;

/** What the page knows of the media. */
interface Media {
    /** How many streams of others should come. */
    expected: number;
    /** Lines of the video that is to be sent. */
    wantedHeight: number;
    /** Others' tracks, by their ids in the browser's report: whether one should move, and its owner. */
    tracks: Map<string, { isOn?: boolean | null; owner?: string }>;
    /** Whether the microphone should be heard. */
    isOpen?: boolean;
    /** How late the page's own timers came, in ms; NaN: not known. */
    delay?: number;
}

interface Reading {
    /** The streams in use. */
    live: Stream[];
    /** By the kind of media. */
    codecs: Record<string, string>;
    /** The candidate pair in use, in the library's shape. */
    transport: Untrusted;
    /** What the pair in use has carried, kbit/s each way; none: no pair. */
    rates?: Record<"upload" | "download", number>;
    /** For the next sample of this peer connection. */
    streams: Map<string, Untrusted>;
}

/** Parts of an interval that could not be measured. */
interface Path {
    isDown?: boolean;
    isOver?: boolean;
    isUp?: boolean;
    isProven?: boolean;
}

interface Timers {
    setTimeout: (action: (nothing: Untrusted) => void, ms?: number) => number;
    clearTimeout: (timer?: number) => void;
}

/** What both clients need of the page and the browser. */
interface BrowserEnvironment extends Timers {
    fetch: typeof fetch;
    now: () => number;
    random: () => number;
}

interface Environment extends BrowserEnvironment {
    url: string;
    /** Where tokens for pushes are given, text or a URL; none: nowhere. */
    tokenUrl?: Untrusted;
    intervalMs?: number;
    jitterMs?: number;
    token?: () => string | undefined;
    isCrossOrigin?: boolean;
}

/** Makes the body when it goes: age and count are that moment's. Empty: nothing to say. */
interface MakeBody {
    (token?: string | null): string | null | undefined;
    /** Set when a body is made: what is done when the server has it. */
    taken?: () => void;
}

/** ms of the outages that no push has reported, NaN: not known; and what to do when one has. */
interface Told {
    down: number;
    up: number;
    taken: () => void;
}

interface Outages {
    /** Each second; says whether the page has stood still. */
    beat(at: number): boolean;
    /** At a report, or its copy. */
    look(report: Map<string, Untrusted>, at: number): void;
    /** Something may be wrong: look again in a second. */
    isSuspect(): boolean;
    isDown(): boolean;
    /** A silence of media has ended since a sample was taken. */
    isOver(): boolean;
    /** A sample was taken. */
    settle(): void;
    isUp(): boolean;
    /** Whether it is known that something has arrived there since then, or nothing was asked. */
    isProven(since: number): boolean;
    tell(at: number): Told;
    /** The outage that runs is none: no other participant is in the conference. */
    drop(): void;
}

/** The default labels; null: not known yet. */
type Identify = () => Record<string, string> | null;

interface Session {
    /** A sample of an event just now. */
    push(sample: Sample): void;
    /** What the participant says of the call, also when the session has ended. */
    rate(stars?: Untrusted, comment?: Untrusted): void;
    /** The last sample's values no longer hold: push nulls, unless the last push had them. */
    quiet(): void;
    end(reason: EndReason, failure?: Failure): void;
}

/** A failure, as the client reports it. */
interface Failure {
    /** The library's name of its error. */
    cause?: string;
    /** How long the client tried to join; NaN: not known. */
    joinMs?: number;
    /** Pushed if the server knows nothing of the session; none: nothing is pushed. */
    sample?: Sample;
}

interface Sender {
    begin(): void;
    offer(make: MakeBody | null): void;
    last(make: MakeBody): void;
}

type EndReason = "left" | "kicked" | "closed" | "suspended" | "failed";

/** Lets go of a room. */
type Unhook = (reason: "left" | "closed") => void;

/** What follows a room, looks at it each second, and lets go of it. */
interface Hooked {
    beat?(): void;
    release: Unhook;
}

interface Pusher extends Session {
    /** Begins a session, unless one goes on. */
    begin(identify: Identify, options?: BeginOptions): void;
}

interface BeginOptions {
    intervalMs?: number;
    findMeetingId?: () => string | undefined;
    outages?: Outages;
    findRole?: () => string | undefined;
}

// The types of client/jmmc.js

/** By dotted paths of the wire: `u.bw`. */
type JmmcState = Record<string, Untrusted>;

interface JmmcStay {
    who: { uid: string; conf: string; pid: string };
    samples: JmmcState[];
    /** What is known here, and what the server is known to have; null: no session is open there. */
    state: JmmcState;
    known: JmmcState | null;
    /** How many samples the next push has. */
    every: number;
}

interface JmmcEnvironment extends BrowserEnvironment {
    url: string;
    token: () => string | undefined;
}

interface JmmcPusher {
    /** Begins a stay, unless one goes on. */
    begin(who: JmmcStay["who"]): JmmcStay;
    /** A sample of an event just now; of a stay that has ended it is not wanted any more. */
    push(of: JmmcStay, sample: JmmcState): void;
    end(): void;
}

interface Window {
    APP?: Untrusted;
    JitsiMeetJS?: Untrusted;
    config?: Untrusted;
    otelJcmc?: object;
    otelJmmc?: object;
}
