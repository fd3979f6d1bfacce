/** The part of a Document (figures/document.go) that the charts show. */
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

/** The data that the page contains. */
export interface Figures {
  document: Document;
  /** The metrics with their titles for people, in the order in which they are shown. */
  metrics: { name: string; title: string }[];
  /** The counters with their titles, in the same way. */
  counters: { name: string; title: string }[];
}

/** Number of points of a curve between 1 / (1 − p) and ten times that. */
export const CURVE_STEP = 20;
