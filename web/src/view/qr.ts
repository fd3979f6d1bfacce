import { type TemplateResult, html, nothing, svg } from "../../vendor/lit-html/lit-html.js";
import encodeQR from "../../vendor/qr/qr.js";

/** Width of the quiet zone around a code, in modules (ISO/IEC 18004, section 9.1). */
const QUIET = 4;

/**
 * A text as a QR code. It is dark on light in every colour scheme, because not every reader accepts the opposite. There is none of a text
 * that is too long (over 2,331 bytes).
 */
export function qrCode(text: string, name: string): TemplateResult | typeof nothing {
  let rows;
  try {
    rows = encodeQR(text);
  } catch {
    return nothing;
  }
  const size = rows.length + 2 * QUIET;
  let path = "";
  rows.forEach((row, y) => row.forEach((dark, x) => dark && (path += `M${x + QUIET} ${y + QUIET}h1v1h-1z`)));
  return html`<svg class="qr" role="img" aria-label=${name} viewBox="0 0 ${size} ${size}" shape-rendering="crispEdges">
    ${svg`<rect width=${size} height=${size} fill="#fff"></rect><path d=${path} fill="#000"></path>`}
  </svg>`;
}
