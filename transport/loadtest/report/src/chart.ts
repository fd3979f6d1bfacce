/*! The charts are drawn by uPlot 1.6.32.

The MIT License (MIT)

Copyright (c) 2022 Leon Sorokin

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in
all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN
THE SOFTWARE.
*/
import uPlot from "../vendor/uplot/uPlot.esm.js";
import type { Point } from "./document.js";
import { type Format, formatPercentile, formatSeconds } from "./format.js";

/** The values of one line, one for each x. A null means that there is no value. */
export interface Series {
  label: string;
  values: (number | null)[];
  /** The line is drawn faintly, because it is not what the chart is about. */
  quiet?: boolean;
}

export interface Chart {
  title: string;
  format: Format;
  x: number[];
  series: Series[];
  kind: "timeline" | "percentiles";
  logarithmic?: boolean;
  /** The seconds of a timeline. Their phases are shaded. */
  points?: Point[];
}

/** The smallest value of a logarithmic scale in ms: a microsecond. */
const SMALLEST = 0.001;
const HEIGHT = 260;

/** Draws a chart into a figure. It draws it again whenever the width of the figure changes. */
export class Drawing {
  readonly #resized = new ResizeObserver(() => this.#resize());
  readonly #plot: uPlot;

  constructor(
    private readonly figure: HTMLElement,
    chart: Chart,
  ) {
    const canvas = document.createElement("div");
    figure.append(canvas);
    this.#plot = new uPlot(options(chart, figure.clientWidth), data(chart), canvas);
    this.#plot.ctx.canvas.setAttribute("role", "img");
    this.#plot.ctx.canvas.setAttribute("aria-label", `${chart.title}: ${chart.series.map((s) => s.label).join(", ")}`);
    this.#resized.observe(figure);
  }

  destroy(): void {
    this.#resized.disconnect();
    this.#plot.destroy();
  }

  #resize(): void {
    const width = this.figure.clientWidth;
    if (width > 0 && width !== this.#plot.width) this.#plot.setSize({ width, height: HEIGHT });
  }
}

function data({ x, series, logarithmic }: Chart): uPlot.AlignedData {
  const lowest = logarithmic ? SMALLEST : 0;
  return [x, ...series.map((s) => s.values.map((v) => (v === null ? null : Math.max(v, lowest))))];
}

/** Returns a colour of the page in its present scheme, light or dark. */
function color(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
}

function options(chart: Chart, width: number): uPlot.Options {
  const font = "12px system-ui, sans-serif";
  const axis: uPlot.Axis = {
    font,
    stroke: color("quiet"),
    grid: { stroke: color("line"), width: 1 },
    ticks: { stroke: color("line"), width: 1 },
  };
  const timeline = chart.kind === "timeline";
  let next = 0;
  return {
    width,
    height: HEIGHT,
    scales: {
      x: timeline
        ? { time: false, range: (_, low, high) => [low === chart.x[0] ? 0 : low, high] } // The first second begins at 0.
        : { time: false, distr: 3, log: 10, range: (_, low, high) => [low, Math.max(high, 10)] },
      y: chart.logarithmic ? { distr: 3, log: 10 } : { range: (_, _low, high) => [0, high > 0 ? high * 1.06 : 1] },
    },
    axes: [
      timeline
        ? { ...axis, values: (_, splits) => splits.map(formatSeconds) }
        : { ...axis, splits: percentileSplits, values: (_, splits) => splits.map(formatPercentile), filter: (_, splits) => splits },
      { ...axis, size: 68, values: (_, splits) => splits.map((v) => (v === null ? null : chart.format(v))) },
    ],
    series: [
      timeline
        ? { label: "At", value: (_, v) => (v === null ? "" : formatSeconds(v)) }
        : { label: "Percentile", value: (_, v) => (v === null ? "" : formatPercentile(v)) },
      ...chart.series.map(
        ({ label, quiet }): uPlot.Series => ({
          label,
          stroke: quiet ? color("series-quiet") : color(`series-${1 + (next++ % 6)}`),
          width: 2,
          ...(quiet && { dash: [4, 4] }),
          value: (_, v) => (v === null ? "" : chart.format(v)),
        }),
      ),
    ],
    cursor: timeline ? { sync: { key: "timeline" }, drag: { x: true, y: false } } : { drag: { x: false, y: false } },
    hooks: { drawClear: [(plot) => shade(plot, chart.points ?? [])] },
  };
}

/** Returns the labelled places of a percentile axis: 0 %, 50 %, 90 %, 99 %, 99.9 % and so on, as many as fit. */
function percentileSplits(plot: uPlot, _axis: number, low: number, high: number): number[] {
  const decades = Math.log10(high / low);
  const perDecade = plot.bbox.width / devicePixelRatio / decades;
  const splits = perDecade > 130 ? [1, 2] : [1];
  const every = Math.max(1, Math.ceil(70 / perDecade));
  for (let power = every; power <= Math.log10(high) + 1e-9; power += every) splits.push(10 ** power);
  return splits;
}

/** Shades the seconds that the figures leave out. */
function shade(plot: uPlot, points: Point[]): void {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.fillStyle = color("shade");
  points.forEach((point, i) => {
    if (point.phase === "measure") return;
    const from = Math.max(plot.valToPos(points[i - 1]?.at_s ?? 0, "x", true), bbox.left);
    const to = Math.min(plot.valToPos(point.at_s, "x", true), bbox.left + bbox.width);
    if (to > from) ctx.fillRect(from, bbox.top, to - from, bbox.height);
  });
  ctx.restore();
}
