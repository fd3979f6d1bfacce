/** Writes three significant digits, or all digits of the integer part if there are more. */
function significant(value: number): string {
  const size = Math.abs(value);
  if (size >= 999.5) return Math.round(value).toLocaleString("en");
  return size >= 99.95 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}

export type Format = (value: number) => string;

export const formatMilliseconds: Format = (value) => {
  if (value === 0) return "0";
  if (value < 1) return significant(value * 1_000) + " µs";
  return value < 1_000 ? significant(value) + " ms" : significant(value / 1_000) + " s";
};

export const formatNumber: Format = significant;

export const formatBytes: Format = (value) => {
  if (value === 0) return "0";
  if (value >= 1e9) return significant(value / 1e9) + " GB";
  return value >= 1e6 ? significant(value / 1e6) + " MB" : significant(value / 1e3) + " KB";
};

export const formatSeconds: Format = (value) => {
  if (value < 120) return significant(value) + " s";
  const whole = Math.round(value);
  const minutes = Math.floor(whole / 60);
  const seconds = String(whole % 60).padStart(2, "0");
  return minutes < 60
    ? `${minutes}:${seconds}`
    : `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${seconds}`;
};

/** Writes the percentile p for x = 1 / (1 − p). */
export const formatPercentile: Format = (x) => {
  const digits = Math.max(0, Math.ceil(Math.log10(x) - 2 - 1e-9));
  return Number((100 - 100 / x).toFixed(digits + (x < 10 ? 0 : 1))) + " %";
};
