/** The part of a Document (document.go) that the charts show. */
export interface Document {
  main_metric: string;
  main_counter: string;
  latency: Record<string, Latency>;
  timeline: Point[];
}

export interface Latency {
  count: number;
  /** The latencies at the percentiles 100 · (1 − 10^(−i/20)). */
  curve_ms: number[];
}

export interface Point {
  at_s: number;
  phase: "setup" | "warmup" | "measure" | "drain";
  sessions: number;
  rates: Record<string, number>;
  latency: Record<string, { p50_ms: number; p99_ms: number; max_ms: number }>;
  error_rate: number;
  generator: Usage;
  service: Usage | null;
}

export interface Usage {
  cpu_cores: number;
  rss_bytes: number;
}

/** What the page has inside. */
export interface Figures {
  document: Document;
  /** What metrics are called, for people, in the order in which they are shown. */
  metrics: { name: string; title: string }[];
  /** The same of counters. */
  counters: { name: string; title: string }[];
}

/** Points of a curve for each power of ten of 1 / (1 − p). */
export const CURVE_STEP = 20;
