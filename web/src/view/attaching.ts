import type { Attachments } from "../messenger/sending.js";

/** The files and folders that were dropped. */
export function droppedFiles(data: DataTransfer): Required<Attachments> {
  const files: File[] = [];
  const folders: string[] = [];
  const unreadable: string[] = [];
  for (const item of data.items) {
    if (item.kind !== "file") continue;
    const entry = item.webkitGetAsEntry();
    const file = item.getAsFile();
    if (entry?.isDirectory === true) folders.push(entry.name);
    else if (file !== null) files.push(file);
    else unreadable.push(entry?.name ?? "?");
  }
  return { files, folders, unreadable };
}

/**
 * The files and folders that were pasted. It is undefined if the text that came with them, or alone, is what people expect:
 *
 * | files                  | text                         | pasted | who copies so                                      |
 * |------------------------|------------------------------|--------|----------------------------------------------------|
 * | none                   | any                          | text   | everybody                                          |
 * | one that is no picture | any                          | files  | file managers                                      |
 * | pictures               | none                         | files  | file managers, screenshots, "Copy image"           |
 * | pictures               | their names, one on a line   | files  | file managers: names, paths or file URLs           |
 * | pictures               | other, and HTML of a picture | files  | "Copy image", with the address of the picture      |
 * | pictures               | other                        | text   | spreadsheets, word processors: a picture of the text |
 *
 * A PDF counts as a picture, because some programs put one beside a text.
 */
export function pastedFiles(data: DataTransfer | null): Required<Attachments> | undefined {
  if (data === null || !data.types.includes("Files")) return undefined;
  const pasted = droppedFiles(data);
  const pictures = pasted.folders.length === 0 && pasted.files.every(({ type }) => type.startsWith("image/") || type === "application/pdf");
  const text = data.getData("text/plain");
  if (pictures && text.trim() !== "" && !namesAll(text, pasted.files) && !isPicture(data.getData("text/html"))) return undefined;
  return pasted;
}

/** Whether each line of a text ends with the name of one of the files. */
function namesAll(text: string, files: readonly File[]): boolean {
  const lines = text.split(/[\r\n]+/u).filter((line) => line.trim() !== "");
  const names = new Set(files.map(({ name }) => name));
  return lines.every((line) => {
    const name = line.slice(Math.max(line.lastIndexOf("/"), line.lastIndexOf("\\")) + 1).trim();
    return names.has(name) || names.has(decoded(name));
  });
}

/** Decodes a part of a URL. What is not one stays as it is. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Whether HTML shows a picture and no text. */
function isPicture(markup: string): boolean {
  return /<img\b/iu.test(markup) && markup.replace(/<!--.*?-->|<(style|title)\b.*?<\/\1>|<[^>]*>/gisu, "").trim() === "";
}

/** Whether files are being dragged. */
export function carriesFiles(event: DragEvent): boolean {
  return event.dataTransfer?.types.includes("Files") === true;
}

/** The address or text that was dropped. */
export function droppedText(data: DataTransfer): string {
  const addresses = data.getData("text/uri-list").split(/[\r\n]+/u).filter((line) => line !== "" && !line.startsWith("#"));
  return addresses.length > 0 ? addresses.join("\n") : data.getData("text/plain");
}

/** Whether the browser puts a text that is dropped here into a field. */
export function isField(target: EventTarget | null): boolean {
  return target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement;
}
