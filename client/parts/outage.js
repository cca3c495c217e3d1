/*
 * Outages of the path in use. Down: nothing arrives here; up: nothing sent from here arrives.
 */

const SILENT_MS = 3000;
const CHECK_MS = 2500; // in a silent call only checks arrive, so often
const UNPROVEN_MS = 5000; // with 10 % loss each way, one check in five has no answer; two are rare
const STOOD_STILL_MS = 4000; // so long between two beats: the page's own clock stood still

/**
 * The candidate pairs that carry media; one if media are bundled.
 * @param {Map<string, Untrusted>} report
 * @returns {Set<string>}
 */
export function pairsInUse(report) {
    const ids = new Set();
    for (const stat of report.values()) {
        ids.add(stat.selectedCandidatePairId); // of a transport
        if (stat.selected) ids.add(stat.id); // Firefox before 142 has no transports
    }
    return ids;
}

/** A running outage of one direction, and the ended ones that are not reported yet. */
function createSpan() {
    let from = 0;
    let owed = 0;
    return {
        /** @param {number} at when the last data got through */
        begin(at) {
            from = from || at;
        },
        /** @param {number} [at] without it, it was not an outage */
        end(at = from) {
            if (from) owed += Math.max(0, at - from);
            from = 0;
        },
        from: () => from,
        /** @param {number} at */
        ms: (at) => owed + (from && at - from),
        /** Returns a function that forgets the outages that have ended by now. */
        tell() {
            const told = owed;
            return () => {
                owed -= told;
            };
        },
    };
}

/**
 * Call `look` with each report, and once a second while `isSuspect`. Times are of our own clock, in
 * ms.
 * @returns {Outages}
 */
export function createOutages() {
    const down = createSpan();
    const up = createSpan();
    let beatAt = 0;
    let lookedAt = 0;
    let heardAt = 0; // when anything arrived last; 0: nothing has
    let silentAt = 0; // the last look in a silence
    let lastHeard = NaN; // by the report's clock, or in bytes; without checks
    let [lastAsked, lastAnswered] = [NaN, NaN]; // by the other side
    let mediaAt = 0; // when the last packet other than a check arrived
    let quietFrom = 0; // no media since then; 0: media arrive
    let isOver = false; // a silence of media has ended, and no sample has used that yet
    /** @type {Untrusted} the pair at the last look */
    let last;
    let unanswered = NaN; // checks in a row; NaN: the browser does not count them
    let provenAt = 0; // when something from here is known to have arrived there
    /** The peer's last report on each stream. @type {Map<string, Untrusted>} */
    const reports = new Map();

    /** @param {Untrusted} pair @param {number} at @param {number} between */
    function listen(pair, at, between) {
        const from = heardAt;
        const { timestamp, bytesReceived, lastPacketReceivedTimestamp = NaN } = pair;
        const heard = lastPacketReceivedTimestamp || bytesReceived;
        if (heard !== lastHeard) mediaAt = at - (timestamp - lastPacketReceivedTimestamp || 0);
        lastHeard = heard;
        heardAt = Math.max(heardAt, mediaAt);
        if (at - mediaAt >= SILENT_MS - 1000) quietFrom = quietFrom || mediaAt;
        else if (quietFrom) {
            isOver ||= Math.min(between, mediaAt) - quietFrom >= SILENT_MS;
            quietFrom = 0;
        }
        // The times of the checks are unknown: assume the earliest possible.
        const { requestsReceived = 0, responsesReceived = 0 } = pair;
        const checks = Math.max(requestsReceived - lastAsked, responsesReceived - lastAnswered);
        if (heardAt && checks > 0 && at - heardAt > 1000)
            heardAt = Math.max(heardAt, Math.min(at, lookedAt + CHECK_MS * checks));
        [lastAsked, lastAnswered] = [requestsReceived, responsesReceived];
        if (at - heardAt >= SILENT_MS - 1000) {
            silentAt = at;
            if (at - heardAt >= SILENT_MS) down.begin(heardAt);
        } else if (silentAt) {
            const end = Math.min(between, heardAt);
            if (end - from >= SILENT_MS) down.begin(from);
            const wasOutage = down.from() > 0;
            down.end(end);
            silentAt = 0;
            // The checks sent meanwhile could get no answer.
            if (wasOutage) {
                provenAt = end;
                last = undefined;
            }
        }
    }

    /** @param {Untrusted} pair @param {number} at @param {number} between */
    function ask(pair, at, between) {
        const isSame = last?.id === pair.id;
        const asked = pair.requestsSent - (isSame ? last.requestsSent : 0);
        const answered = pair.responsesReceived - (isSame ? last.responsesReceived : 0);
        last = pair;
        if (!isSame) unanswered = 0 * asked;
        else if (answered > 0) unanswered = Math.max(0, asked - answered);
        else unanswered += asked;
        if (!isSame || answered > 0)
            // The checks without an answer are assumed to be the last ones.
            provenAt = Math.max(provenAt, at - ((isSame && unanswered / asked) || 0) * (at - lookedAt));
        if (provenAt > up.from()) up.end(between);
        // Not at the first look that misses some: the peer's reports may prove more at the next.
        if (!answered && !silentAt && unanswered >= 2 && at - provenAt >= UNPROVEN_MS)
            up.begin(provenAt);
    }

    /**
     * If two reports of the peer differ, something has arrived there between them.
     * @param {Untrusted} stat @param {number} offset of our clock to the report's
     */
    function prove(stat, offset) {
        const old = reports.get(stat.id);
        reports.set(stat.id, stat);
        if (
            old?.timestamp < stat.timestamp &&
            (old.jitter !== stat.jitter || old.packetsLost !== stat.packetsLost)
        )
            provenAt = Math.max(provenAt, old.timestamp + offset);
    }

    /** @type {Outages} */
    const outages = {
        beat(at) {
            const hasSlept = beatAt > 0 && at - beatAt > STOOD_STILL_MS;
            if (hasSlept) {
                down.end(beatAt);
                up.end(beatAt);
                silentAt = 0;
                provenAt = at;
                heardAt = mediaAt = heardAt && at;
                last = undefined;
            }
            beatAt = at;
            return hasSlept;
        },
        look(report, at) {
            outages.beat(at);
            const ids = pairsInUse(report);
            const stats = [...report.values()];
            const pair = stats.find(({ type, id }) => type === "candidate-pair" && ids.has(id));
            if (!pair) return;
            for (const stat of stats)
                if (stat.type === "remote-inbound-rtp") prove(stat, at - pair.timestamp);
            const between = lookedAt ? (lookedAt + at) / 2 : at;
            listen(pair, at, between);
            ask(pair, at, between);
            lookedAt = at;
        },
        isSuspect: () => silentAt > 0 || unanswered > 0,
        isDown: () => down.from() > 0,
        isOver: () => isOver,
        settle() {
            isOver = false;
        },
        isUp: () => up.from() > 0,
        isProven: (since) => !(unanswered > 0) || provenAt > since,
        tell(at) {
            outages.beat(at);
            if (silentAt && at - heardAt >= SILENT_MS) down.begin(heardAt);
            const forget = [down.tell(), up.tell()];
            return {
                down: heardAt ? down.ms(at) : NaN,
                up: up.ms(at) || (down.from() ? NaN : 0 * unanswered),
                taken: () => forget.map((each) => each()),
            };
        },
        drop() {
            down.end();
            up.end();
            silentAt = heardAt = mediaAt = quietFrom = 0;
            unanswered = NaN;
            last = undefined;
        },
    };
    return outages;
}
