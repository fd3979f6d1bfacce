import assert from "node:assert/strict";
import { test } from "node:test";
import { pictureType, safeName } from "./files.js";

test("a name is one name, as it reads, that no system takes for something else", () => {
  for (const [name, safe] of [
    ["notes.txt", "notes.txt"],
    ["été à Paris 🌞.png", "été à Paris 🌞.png"],
    ["../../etc/passwd", "_.._etc_passwd"],
    ["C:\\Windows\\x.exe", "C__Windows_x.exe"],
    ["<img src=x onerror=alert(1)>.png", "_img src=x onerror=alert(1)_.png"],
    ["photo\u202Egnp.exe", "photognp.exe"],
    ["\u2066a\u2069\u200b\u0000\u001b[2Jb\nc.txt", "a[2Jbc.txt"],
    ["a\ud800b", "ab"],
    [".bashrc", "bashrc"],
    ["report.pdf . .", "report.pdf"],
    ["con", "_con"],
    ["COM1.txt", "_COM1.txt"],
    ["console.log", "console.log"],
    ["", "file"],
    ["...", "file"],
    ["\u202e", "file"],
  ] as const) {
    assert.equal(safeName(name), safe);
  }
});

test("a long name is cut, its ending stays", () => {
  const long = safeName(`${"é".repeat(1_000)}.tar.gz`);
  assert.ok(new TextEncoder().encode(long).length <= 200);
  assert.ok(long.endsWith(".gz") && long.startsWith("ééé"));
  assert.ok(new TextEncoder().encode(safeName("😀".repeat(300))).length <= 200);
  assert.ok(new TextEncoder().encode(safeName(`a.${"x".repeat(5_000)}`)).length <= 200);
});

test("pictures are told by their first bytes, and what can hold a script is none", () => {
  const of = (text: string) => pictureType(Uint8Array.from(text, (c) => c.charCodeAt(0)));
  assert.equal(of("\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), "image/png");
  assert.equal(of("\xff\xd8\xff\xe0"), "image/jpeg");
  assert.equal(of("GIF89a"), "image/gif");
  assert.equal(of("RIFF\x10\0\0\0WEBPVP8 "), "image/webp");
  assert.equal(of("\0\0\0 ftypavif"), "image/avif");
  for (const none of ["", "<svg xmlns='http://www.w3.org/2000/svg'/>", "<!doctype html>", "RIFF\0\0\0\0WAVE", "\0\0\0 ftypisom", "\x89PNG"]) {
    assert.equal(of(none), undefined, none);
  }
});
