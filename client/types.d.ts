// What the client file's comments call by name. Nothing of this is served.

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

/** A stat, and the same one a sample before; undefined if it is new or was reset. */
type Stream = [Untrusted, Untrusted];

/** [minus sign or nothing, type of the stat, its member, that one's member] */
type Term = string[];

type ReadStats = (
    stats?: Untrusted,
    options?: { username?: string; participants?: number; collectAddresses?: boolean },
) => Sample;

interface Reading {
    /** By the metric's name; not finite: not known. */
    values: Record<string, number>;
    /** By the kind of media. */
    codecs: Record<string, string>;
    /** The candidate pair in use, in the library's shape. */
    transport: Untrusted;
    /** For the next sample of this peer connection. */
    streams: Map<string, Untrusted>;
}

interface Environment {
    url: string;
    /** Where tokens for pushes are given, text or a URL; none: nowhere. */
    tokenUrl?: Untrusted;
    fetch: typeof fetch;
    now: () => number;
    random: () => number;
    setTimeout: (action: () => void, ms?: number) => number;
    clearTimeout: (timer?: number) => void;
    intervalMs?: number;
    jitterMs?: number;
    token?: () => string | undefined;
    isCrossOrigin?: boolean;
}

/** Makes the body when it goes: age and count are that moment's. Empty: nothing to say. */
type MakeBody = (token?: string | null) => string | null | undefined;

interface Session {
    id: string;
    seq: number;
    identify: () => Record<string, string> | null;
    findMeetingId?: () => string | undefined;
    labels?: Record<string, string> | null;
    meetingId?: string;
    /** When the newest numbers came. */
    knownAt: number;
    /** Between two samples, and how many of them one push has. */
    sampleMs: number;
    every: number;
    gaps?: number[];
    samples: Sample[];
    /** The server has, or is about to have, numbers of this session that are not nulls. */
    isKnown?: boolean;
    /** This tab's place in an interval. */
    delayMs: number;
    turn?: number;
    heartbeat?: number;
}

interface Sender {
    begin(): void;
    offer(make: MakeBody): void;
    last(make: MakeBody | null): void;
}

type EndReason = "left" | "kicked" | "closed" | "suspended" | "failed";

interface Pusher {
    begin(identify: Session["identify"], options?: BeginOptions): void;
    push(sample: Sample): void;
    end(reason: EndReason): void;
}

interface BeginOptions {
    intervalMs?: number;
    findMeetingId?: () => string | undefined;
}

// Of client/jmmc.js

/** By dotted paths of the wire: `u.bw`. */
type JmmcState = Record<string, Untrusted>;

interface JmmcStay {
    who: { uid: string; conf: string; pid: string };
    samples: JmmcState[];
    /** What is known here, and what the server is known to have; null: no session is open. */
    state: JmmcState;
    known: JmmcState | null;
    /** There is something to push. */
    isDue: boolean;
    /** The first sample has been pushed. */
    isSeen?: boolean;
}

type JmmcEnvironment = Pick<
    Environment,
    "url" | "fetch" | "now" | "random" | "setTimeout" | "clearTimeout"
> & { token: () => string | undefined };

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
