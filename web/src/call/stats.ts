/** How the two ends are connected, as far as the browser tells (W3C, "Identifiers for WebRTC's Statistics API"). */
export interface ConnectionFigures {
  /** Whether the bytes pass through a TURN server, of either end. undefined: not known. */
  relayed: boolean | undefined;
  /** In ms. undefined: not known. */
  roundTrip: number | undefined;
  /** Whether this end has found a relay that it can use, whether or not it is in use. */
  relayFound: boolean;
  bytesSent: number;
  bytesReceived: number;
  /** "udp" or "tcp". If this end uses a relay, by what it reaches that: "udp", "tcp" or "tls". undefined: not known. */
  protocol: string | undefined;
  /** Types of the candidates in use: host, srflx, prflx or relay (RFC 8445, section 4). */
  ownCandidate: string | undefined;
  peerCandidate: string | undefined;
}

interface Report {
  type: string;
  id: string;
  [field: string]: unknown;
}

/** Reads the figures of the pair of candidates that is in use. */
export function figuresOf(reports: { values(): Iterable<unknown> }): ConnectionFigures {
  const all = [...(reports.values() as Iterable<Report>)];
  const byId = (id: unknown) => all.find((report) => report.id === id);
  const transport = all.find(({ type }) => type === "transport");
  // Firefox has no transport report. It marks the pair in use instead.
  const pair =
    byId(transport?.["selectedCandidatePairId"]) ??
    all.find((report) => report.type === "candidate-pair" && (report["selected"] === true || (report["nominated"] === true && report["state"] === "succeeded")));
  const own = byId(pair?.["localCandidateId"]);
  const peer = byId(pair?.["remoteCandidateId"]);
  const word = (value: unknown) => (typeof value === "string" ? value : undefined);
  const count = (value: unknown) => (typeof value === "number" ? value : 0);
  const kinds = [word(own?.["candidateType"]), word(peer?.["candidateType"])];
  return {
    relayed: kinds.includes("relay") || (kinds.includes(undefined) ? undefined : false),
    relayFound: all.some((report) => report.type === "local-candidate" && report["candidateType"] === "relay"),
    roundTrip: typeof pair?.["currentRoundTripTime"] === "number" ? pair["currentRoundTripTime"] * 1_000 : undefined,
    bytesSent: count(pair?.["bytesSent"]),
    bytesReceived: count(pair?.["bytesReceived"]),
    // A relayed candidate's own protocol is that between the relay and the other end.
    protocol: word(own?.[kinds[0] === "relay" ? "relayProtocol" : "protocol"]),
    ownCandidate: kinds[0],
    peerCandidate: kinds[1],
  };
}

/** Returns the DER of the certificate that the other end has shown, in base64. Returns undefined if the browser does not tell it (Firefox). */
export function peerCertificateOf(reports: { values(): Iterable<unknown> }): string | undefined {
  const all = [...(reports.values() as Iterable<Report>)];
  const transport = all.find(({ type }) => type === "transport");
  const certificate = all.find(({ type, id }) => type === "certificate" && id === transport?.["remoteCertificateId"]);
  const der = certificate?.["base64Certificate"];
  return typeof der === "string" && der !== "" ? der : undefined;
}

/** Counts what has come from the other browser. The count rises even while its page is busy, because SCTP and ICE respond below the page. */
export function pulseOf(reports: { values(): Iterable<unknown> }): number {
  const count = (value: unknown) => (typeof value === "number" ? value : 0);
  let sum = 0;
  for (const report of reports.values() as Iterable<Report>) {
    if (report.type === "candidate-pair") sum += count(report["bytesReceived"]) + count(report["responsesReceived"]);
  }
  return sum;
}
