import assert from "node:assert/strict";
import { test } from "node:test";
import { droppedFiles, droppedText, pastedFiles } from "./attaching.js";

/** A file; null: one that the browser does not hand over; a string that ends with "/": a folder. */
type Carried = File | null | string;

/** What a paste or a drop carries. */
function carrying(carried: readonly Carried[], texts: Record<string, string> = {}): DataTransfer {
  const items = carried.map((one) => ({
    kind: "file",
    getAsFile: () => (typeof one === "string" ? new File([], one.slice(0, -1)) : one),
    webkitGetAsEntry: () => (typeof one === "string" ? { isDirectory: true, name: one.slice(0, -1) } : one === null ? { isDirectory: false, name: "gone.txt" } : null),
  }));
  return {
    items: [...Object.keys(texts).map(() => ({ kind: "string" })), ...items],
    types: [...Object.keys(texts), ...(carried.length > 0 ? ["Files"] : [])],
    getData: (type: string) => texts[type] ?? "",
  } as unknown as DataTransfer;
}

const png = new File(["x"], "image.png", { type: "image/png" });
const photo = new File(["x"], "Foto 1.jpg", { type: "image/jpeg" });
const report = new File(["x"], "report.odt", { type: "application/vnd.oasis.opendocument.text" });
const unknown = new File(["x"], "Makefile");
const pdf = new File(["x"], "page.pdf", { type: "application/pdf" });
const cells = "<table><tr><td>1</td></tr></table>";

test("of a paste the file is taken or the text, whichever was copied", () => {
  for (const [what, carried, texts, wanted] of [
    ["a text", [], { "text/plain": "a" }, undefined],
    ["nothing", [], {}, undefined],
    ["a screenshot", [png], {}, [png]],
    ["a picture of a page", [png], { "text/html": '<img src="https://a/b.png">' }, [png]],
    ["a picture of a page, with its address", [png], { "text/plain": "https://a/b", "text/html": '<meta charset="utf-8"><!-- a --><img src="https://a/b">' }, [png]],
    ["a file, with its name", [report], { "text/plain": "report.odt" }, [report]],
    ["a file, with its path", [unknown], { "text/plain": "/home/me/Makefile", "text/uri-list": "file:///home/me/Makefile" }, [unknown]],
    ["a picture, with its name", [photo], { "text/plain": "Foto 1.jpg" }, [photo]],
    ["a picture, with its path", [photo], { "text/plain": "C:\\Users\\me\\Foto 1.jpg" }, [photo]],
    ["a picture, with its address", [photo], { "text/plain": "file:///home/me/Foto%201.jpg\n" }, [photo]],
    ["several files, with their names", [photo, pdf], { "text/plain": "Foto 1.jpg\rpage.pdf" }, [photo, pdf]],
    ["cells of a spreadsheet", [png], { "text/plain": "1", "text/html": cells, "text/rtf": "{}" }, undefined],
    ["words of a word processor", [pdf], { "text/plain": "words", "text/html": "<style>img{}</style><p>words <img></p>" }, undefined],
    ["words beside a picture of them", [png], { "text/plain": "words" }, undefined],
    ["words that name a file among others", [png], { "text/plain": "see\nimage.png" }, undefined],
    ["a file of another kind beside HTML", [report], { "text/plain": "words", "text/html": "<p>words</p>" }, [report]],
    ["a name that is no part of a URL", [png], { "text/plain": "100%" }, undefined],
  ] as const) {
    assert.deepEqual(pastedFiles(carrying(carried, texts))?.files, wanted, what);
  }
  assert.equal(pastedFiles(null), undefined);
  assert.deepEqual(pastedFiles(carrying(["photos/"], { "text/plain": "photos" }))?.folders, ["photos"]);
});

test("of a drop it is known what cannot be sent", () => {
  assert.deepEqual(droppedFiles(carrying([photo, "photos/", null, report])), { files: [photo, report], folders: ["photos"], unreadable: ["gone.txt"] });
  assert.deepEqual(droppedFiles(carrying([], { "text/plain": "a" })), { files: [], folders: [], unreadable: [] });
});

test("of a link that was dropped, the address is taken", () => {
  assert.equal(droppedText(carrying([], { "text/uri-list": "# a\r\nhttps://a/\r\nhttps://b/", "text/plain": "b" })), "https://a/\nhttps://b/");
  assert.equal(droppedText(carrying([], { "text/plain": "b" })), "b");
});
