import assert from "node:assert/strict";
import { test } from "node:test";
import { figuresOf, peerCertificateOf, pulseOf } from "./stats.js";

const own = { type: "local-candidate", id: "own", candidateType: "host", protocol: "udp" };
const peer = { type: "remote-candidate", id: "peer", candidateType: "srflx", protocol: "udp" };
const pair = {
  type: "candidate-pair", id: "pair", localCandidateId: "own", remoteCandidateId: "peer", nominated: true, state: "succeeded",
  currentRoundTripTime: 0.012, bytesSent: 10, bytesReceived: 20,
};
const other = { ...pair, id: "other", bytesSent: 0, bytesReceived: 0, state: "waiting", nominated: false };
const expected = {
  relayed: false, relayFound: false, roundTrip: 12, bytesSent: 10, bytesReceived: 20, protocol: "udp", ownCandidate: "host", peerCandidate: "srflx",
};

test("figures are those of the pair in use, whichever way the browser tells it", () => {
  const transport = { type: "transport", id: "transport", selectedCandidatePairId: "pair" };
  for (const reports of [[other, transport, pair, own, peer], [other, pair, own, peer]]) {
    assert.deepEqual(figuresOf(new Map(reports.map((report) => [report.id, report]))), expected);
  }
});

test("a relay at either end is one, and its own transport is what counts", () => {
  const relay = { ...own, candidateType: "relay", relayProtocol: "tls" };
  const figures = figuresOf(new Map([pair, relay, peer].map((report) => [report.id, report])));
  assert.equal(figures.relayed, true);
  assert.equal(figures.protocol, "tls");
  assert.equal(figuresOf(new Map()).relayed, undefined);
});

test("a relay that is found and not in use is told", () => {
  const found = { ...own, id: "found", candidateType: "relay" };
  const figures = figuresOf(new Map([pair, own, peer, found].map((report) => [report.id, report])));
  assert.deepEqual([figures.relayFound, figures.relayed], [true, false]);
  assert.equal(figuresOf(new Map([pair, own, { ...peer, candidateType: "relay" }].map((report) => [report.id, report]))).relayFound, false);
});

test("what the browser does not tell of the path is not known", () => {
  const figures = (...all: object[]) => figuresOf(new Map([pair, ...all].map((report, i) => [i, report])));
  const { relayed, protocol } = figures({ ...own, candidateType: "relay" }, peer);
  assert.deepEqual([relayed, protocol], [true, undefined], "the protocol of a relayed candidate is not that to the relay");
  assert.equal(figures(own).relayed, undefined, "the other end may be a relay");
  assert.equal(figures(peer).relayed, undefined, "this end may be one");
  const theirs = figures(own, { ...peer, candidateType: "relay", relayProtocol: "tls" });
  assert.deepEqual([theirs.relayed, theirs.protocol, theirs.ownCandidate], [true, "udp", "host"], "by what the other end reaches its relay says nothing of this end");
});

test("the pulse counts what comes on every pair of candidates", () => {
  const pairs = [pair, { ...other, bytesReceived: 5, responsesReceived: 3 }, { ...own, bytesReceived: 1_000 }];
  assert.equal(pulseOf(new Map(pairs.map((report) => [report.id, report]))), 28);
  assert.equal(pulseOf(new Map()), 0);
});

test("the certificate of the other end is told, and not this one's", () => {
  const reports = (...all: object[]) => new Map(all.map((report, i) => [i, report]));
  const transport = { type: "transport", id: "t", localCertificateId: "own", remoteCertificateId: "peer" };
  const own = { type: "certificate", id: "own", base64Certificate: "b3du" };
  const peer = { type: "certificate", id: "peer", base64Certificate: "cGVlcg==" };
  assert.equal(peerCertificateOf(reports(own, transport, peer)), "cGVlcg==");
  for (const other of [reports(), reports(own, transport), reports(own, peer), reports(transport, { ...peer, base64Certificate: "" })]) {
    assert.equal(peerCertificateOf(other), undefined);
  }
});
