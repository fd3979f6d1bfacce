/** What is known of files by their names and first bytes. */

/** Longest name that a file is saved under, in bytes of UTF-8: what common file systems take, less " (1)" and such. */
const MAX_SAVED_BYTES = 200;
/** Names that Windows keeps for devices, whatever ending follows. */
const RESERVED = /^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(?=\.|$)/iu;
/** Separators of paths, and what some system allows in no name. */
const FORBIDDEN = /[/\\:*?"<>|]/gu;
/** Controls, format characters (among them those that turn the direction of text), lone surrogates, line ends. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/**
 * A name as it is shown and saved: one name, not a path, that no system takes for something else and that
 * reads as it is (no U+202E that makes "exe.png" of "gnp.exe").
 */
export function safeName(name: string): string {
  let safe = name
    .replace(INVISIBLE, "")
    .replace(FORBIDDEN, "_")
    .replace(/\s+/gu, " ")
    // A dot in front hides a file, dots and spaces at the end vanish on Windows.
    .replace(/^[\s.]+|[\s.]+$/gu, "");
  if (safe === "") safe = "file";
  if (RESERVED.test(safe)) safe = `_${safe}`;
  return shorten(safe);
}

/** Cuts the middle part out of a name that is too long; its ending stays. */
function shorten(name: string): string {
  const length = (text: string) => new TextEncoder().encode(text).length;
  if (length(name) <= MAX_SAVED_BYTES) return name;
  const ending = /\.[^.]{1,15}$/u.exec(name)?.[0] ?? "";
  const characters = [...name.slice(0, name.length - ending.length)];
  let bytes = length(ending);
  let kept = "";
  for (const character of characters) {
    bytes += length(character);
    if (bytes > MAX_SAVED_BYTES) break;
    kept += character;
  }
  return kept.trimEnd() + ending;
}

/** So many bytes at a file's start are enough for pictureType. */
export const SIGNATURE_BYTES = 32;

/**
 * The MIME type of a picture that every browser shows and that can hold no script, by its first bytes: what
 * the name or the sender says of it is not asked. undefined: it is none.
 */
export function pictureType(start: Uint8Array): string | undefined {
  const text = String.fromCharCode(...start.subarray(0, SIGNATURE_BYTES));
  if (text.startsWith("\x89PNG\r\n\x1a\n")) return "image/png";
  if (text.startsWith("\xff\xd8\xff")) return "image/jpeg";
  if (text.startsWith("GIF87a") || text.startsWith("GIF89a")) return "image/gif";
  if (text.startsWith("RIFF") && text.startsWith("WEBP", 8)) return "image/webp";
  if (text.startsWith("ftyp", 4) && /^(?:avif|avis)/u.test(text.slice(8))) return "image/avif";
  return undefined;
}
