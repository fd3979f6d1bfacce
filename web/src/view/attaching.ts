/** The files that were dropped. Folders are left out, because they cannot be sent. */
export function droppedFiles(data: DataTransfer): File[] {
  return [...data.items].flatMap((item) => {
    const file = item.kind === "file" && item.webkitGetAsEntry()?.isDirectory !== true ? item.getAsFile() : null;
    return file === null ? [] : [file];
  });
}

/** The files that were pasted. Word processors put a picture beside the text that was copied: the text is meant then. */
export function pastedFiles(data: DataTransfer | null): File[] {
  if (data === null || data.types.includes("text/plain")) return [];
  return [...data.files];
}

/** Whether files are being dragged. */
export function carriesFiles(event: DragEvent): boolean {
  return event.dataTransfer?.types.includes("Files") === true;
}
