/** What a page does with a file's name and its first bytes. */

/** Longest name under which a file is saved, in bytes of UTF-8. Common file systems take 255; browsers append " (1)" and the like. */
const MAX_SAVED_BYTES = 200;
/** Names that Windows reserves for devices, with any extension. */
const RESERVED = /^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(?=\.|$)/iu;
/** Path separators, and characters that some operating system does not allow in names. */
const FORBIDDEN = /[/\\:*?"<>|]/gu;
/** Control and format characters (which include those that change the direction of text), lone surrogates, line ends. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/**
 * Returns a name that is safe to show and to save a file under. It is one name and not a path, has no special
 * meaning to any operating system, and reads as it is: U+202E could make "gnp.exe" look like "exe.png".
 */
export function safeName(name: string): string {
  let safe = name
    .replace(INVISIBLE, "")
    .replace(FORBIDDEN, "_")
    .replace(/\s+/gu, " ")
    // A leading dot hides a file. Windows drops dots and spaces at the end.
    .replace(/^[\s.]+|[\s.]+$/gu, "");
  if (safe === "") safe = "file";
  if (RESERVED.test(safe)) safe = `_${safe}`;
  return shorten(safe);
}

/** Shortens a name that is too long. Its extension stays. */
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

/** How many bytes of a file's start pictureType looks at. */
export const SIGNATURE_BYTES = 32;

/**
 * The MIME type of a picture, told by its first bytes. The name and the sender's word do not count. It returns
 * undefined unless the picture is of a type that every browser shows and that cannot hold a script.
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
