import { type Chart, Drawing, type Series } from "./chart.js";
import { CURVE_STEP, type Figures, type Point } from "./document.js";
import { type Format, formatBytes, formatMilliseconds, formatNumber } from "./format.js";

const figures = JSON.parse(document.getElementById("figures")!.textContent!) as Figures;
const { document: run, metrics, counters } = figures;

/** Metrics that describe the generator, not the service. */
const LAGS = ["send_lag", "loop_lag"];
/** Metrics that say little second by second if they happen only at the start. */
const BEGINNING = ["connect", "login", "close"];

function percentiles(logarithmic: boolean): Chart | undefined {
  const shown = metrics.filter(({ name }) => run.latency[name] !== undefined);
  const longest = Math.max(0, ...shown.map(({ name }) => run.latency[name]!.curve_ms.length));
  if (longest === 0) return undefined;
  return {
    title: "Latency by percentile",
    kind: "percentiles",
    format: formatMilliseconds,
    logarithmic,
    x: Array.from({ length: longest }, (_, i) => 10 ** (i / CURVE_STEP)),
    series: shown.map(({ name, title }) => {
      const curve = run.latency[name]!.curve_ms;
      return {
        label: title,
        quiet: LAGS.includes(name),
        values: Array.from({ length: longest }, (_, i) => curve[i] ?? null),
      };
    }),
  };
}

function timelines(logarithmic: boolean): Chart[] {
  const points = run.timeline;
  const x = points.map((p) => p.at_s);
  const chart = (title: string, format: Format, series: Series[], isLogarithmic = false): Chart => ({
    title,
    format,
    x,
    points,
    kind: "timeline",
    logarithmic: isLogarithmic,
    series: series.filter((s) => s.values.some((v) => v !== null)),
  });
  const line = (label: string, value: (p: Point) => number | null | undefined, quiet = false): Series => ({
    label,
    quiet,
    values: points.map((p) => value(p) ?? null),
  });
  const rates = counters.filter(({ name }) => points.some((p) => p.rates[name]));
  const latencies = metrics.filter(
    ({ name }) =>
      !LAGS.includes(name) &&
      (name === run.main_metric || !BEGINNING.includes(name) || points.filter((p) => p.latency[name]).length > 2),
  );
  return [
    chart("Rates, a second", formatNumber, rates.map(({ name, title }) => line(title, (p) => p.rates[name] ?? 0))),
    ...latencies.map(({ name, title }) =>
      chart(
        `Latency: ${title}`,
        formatMilliseconds,
        [
          line("p50", (p) => p.latency[name]?.p50_ms),
          line("p99", (p) => p.latency[name]?.p99_ms),
          line("max", (p) => p.latency[name]?.max_ms, true),
        ],
        logarithmic,
      ),
    ),
    chart("Errors, a second", formatNumber, [line("errors", (p) => p.error_rate)]),
    chart("Sessions", formatNumber, [line("logged in", (p) => p.sessions)]),
    chart("Processor cores in use", formatNumber, [
      line("service", (p) => p.service?.cpu_cores),
      line("generator", (p) => p.generator.cpu_cores),
    ]),
    chart("Memory", formatBytes, [
      line("service", (p) => p.service?.rss_bytes),
      line("generator", (p) => p.generator.rss_bytes),
    ]),
    chart(
      "How late the generator was",
      formatMilliseconds,
      LAGS.flatMap((name) => {
        const title = name === "send_lag" ? "sending" : "its loops";
        return [line(`${title}, p99`, (p) => p.latency[name]?.p99_ms), line(`${title}, max`, (p) => p.latency[name]?.max_ms, true)];
      }),
      logarithmic,
    ),
  ].filter((c) => c.series.length > 0);
}

/** If a latency is this many times the median of another curve, a linear scale hides that curve. */
const STEEP = 20;

function steep(): boolean {
  const curves = metrics.flatMap(({ name }) => (LAGS.includes(name) ? [] : (run.latency[name]?.curve_ms ?? [])));
  const medians = metrics.flatMap(({ name }) => run.latency[name]?.curve_ms[Math.round(CURVE_STEP * Math.log10(2))] ?? []);
  return Math.max(...curves) > STEEP * Math.min(...medians);
}

const logarithmicBox = document.getElementById("logarithmic") as HTMLInputElement;
let drawings: Drawing[] = [];

function draw(): void {
  for (const drawing of drawings) drawing.destroy();
  const logarithmic = logarithmicBox.checked;
  drawings = [...show("distribution", [percentiles(logarithmic)], true), ...show("charts", timelines(logarithmic), false)];
}

function show(id: string, charts: (Chart | undefined)[], wide: boolean): Drawing[] {
  const place = document.getElementById(id);
  if (place === null) return [];
  const shown: [HTMLElement, Chart][] = [];
  for (const chart of charts) {
    if (chart === undefined) continue;
    const figure = document.createElement("figure");
    figure.classList.toggle("wide", wide);
    const heading = document.createElement("h3");
    heading.textContent = chart.title;
    figure.append(heading);
    shown.push([figure, chart]);
  }
  place.replaceChildren(...shown.map(([figure]) => figure)); // Gives them a width, which drawing needs.
  return shown.map(([figure, chart]) => new Drawing(figure, chart));
}

document.querySelector<HTMLElement>(".controls")!.hidden = false;
logarithmicBox.checked = steep();
logarithmicBox.addEventListener("change", draw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
draw();
