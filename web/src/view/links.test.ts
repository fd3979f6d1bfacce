import assert from "node:assert/strict";
import { test } from "node:test";
import { bareParts } from "../call/bare.js";
import { pieces } from "./links.js";

test("links are found, and nothing of the text is lost", () => {
  for (const [text, hrefs] of [
    ["no link", []],
    ["http://a.example", ["http://a.example"]],
    ["(see https://a.example/x_(y)).", ["https://a.example/x_(y)"]],
    ["https://a.example/?q=1&r=2, and HTTP://b.example!", ["https://a.example/?q=1&r=2", "HTTP://b.example"]],
    ["javascript:alert(1) data:text/html,x ftp://a.example http://", []],
    ["https://[", []],
    ["<a href=https://a.example>", ["https://a.example"]],
  ] as const) {
    const found = pieces(text);
    assert.equal(found.map((piece) => piece.text).join(""), text);
    assert.deepEqual(found.flatMap(({ href }) => href ?? []), hrefs);
  }
});

test("long texts come in short pieces, cut inside no character", () => {
  for (const text of ["x".repeat(10_000), "😀".repeat(5_000), "a word ".repeat(2_000)]) {
    for (const parts of [pieces(text).map((piece) => piece.text), [...bareParts(text)]]) {
      assert.equal(parts.join(""), text);
      for (const part of parts) assert.doesNotThrow(() => encodeURIComponent(part), "a surrogate stands alone");
    }
    for (const piece of pieces(text)) assert.ok(piece.text.length <= 1_000);
  }
});

test("the parts for a client without framing are as long as every browser takes, and not longer", () => {
  const bytes = [...bareParts("漢".repeat(100_000))].map((part) => new TextEncoder().encode(part).length);
  assert.deepEqual(bytes, [65_535, 65_535, 65_535, 65_535, 37_860]);
});

test("a bracket belongs to a link as far as it was opened in it, however many there are", () => {
  const links = (text: string) => pieces(text).flatMap(({ href }) => href ?? []);
  for (const [text, link] of [
    ["(see http://a.example/b_(c)).", "http://a.example/b_(c)"],
    ["http://a.example/(((x))))]", "http://a.example/(((x)))"],
    ["http://a.example/[1](2)]).,)", "http://a.example/[1](2)"],
    [`http://a.example/${")".repeat(2_000)}`, "http://a.example/"],
    [`http://a.example/${"(".repeat(900)}${")".repeat(1_000)}`, `http://a.example/${"(".repeat(900)}${")".repeat(900)}`],
  ] as const) {
    assert.deepEqual(links(text), [link]);
  }
  // What took minutes when each bracket was counted anew.
  assert.equal(links(`http://a${")".repeat(2_040)} `.repeat(4_000)).length, 4_000);
});

test("a link ends where the writing around it begins, in every script", () => {
  const links = (text: string) => pieces(text).flatMap(({ href }) => href ?? []);
  for (const [text, ...want] of [
    // Full stops, commas and other punctuation of many scripts, behind a path and behind a host
    ["https://example.com/a，谢谢", "https://example.com/a"],
    ["请看https://example.com/a。谢谢", "https://example.com/a"],
    ["https://example.com。谢谢", "https://example.com"],
    ["https://example.com，谢谢", "https://example.com"],
    ["https://example.com/a、https://example.com/b！", "https://example.com/a", "https://example.com/b"],
    ["https://example.com/a।", "https://example.com/a"],
    ["https://example.com/a۔ https://example.com؟", "https://example.com/a", "https://example.com"],
    ["https://example.com/a։ https://example.com/b። https://example.com/c។", "https://example.com/a", "https://example.com/b", "https://example.com/c"],
    ["https://example.com/a… https://example.com…", "https://example.com/a", "https://example.com"],
    ["https://example.com/a—see https://example.com—", "https://example.com/a", "https://example.com"],
    ["https://example.com/a→https://example.com/b", "https://example.com/a", "https://example.com/b"],
    ["https://example.com/a：b https://example.com；", "https://example.com/a", "https://example.com"],
    // Words that are written on without a space
    ["https://example.com谢谢", "https://example.com"],
    ["https://example.comを見て", "https://example.com"],
    ["https://example.com👍", "https://example.com"],
    // Quotation marks in the pairs of many languages
    ["“https://example.com” “https://example.com/a”", "https://example.com", "https://example.com/a"],
    ["„https://example.com“ „https://example.com/a“", "https://example.com", "https://example.com/a"],
    ["«https://example.com» « https://example.com/a »", "https://example.com", "https://example.com/a"],
    ["»https://example.com« »https://example.com/a«.", "https://example.com", "https://example.com/a"],
    ["”https://example.com/a” ‘https://example.com/b’s", "https://example.com/a", "https://example.com/b"],
    ["「https://example.com」『https://example.com/a』を", "https://example.com", "https://example.com/a"],
    ["'https://example.com/a','https://example.com/b'", "https://example.com/a", "https://example.com/b"],
    ["`https://example.com/a` \"https://example.com/b\"", "https://example.com/a", "https://example.com/b"],
    ["“https://example.com/a”，“https://example.com/b”", "https://example.com/a", "https://example.com/b"],
    // Brackets
    ["（https://example.com）（见https://example.com/a）。", "https://example.com", "https://example.com/a"],
    ["【https://example.com/a】〔https://example.com/b〕《https://example.com/c》", "https://example.com/a", "https://example.com/b", "https://example.com/c"],
    ["(https://example.com/a),(https://example.com/b)", "https://example.com/a", "https://example.com/b"],
    ["[a](https://example.com/a)b {https://example.com/b}", "https://example.com/a", "https://example.com/b"],
    ["https://example.com/a(see https://example.com/b（see", "https://example.com/a", "https://example.com/b"],
    ["https://example.com(see)", "https://example.com"],
    // Invisible characters
    ["https://example.com\u200b https://example.com/a\u202emoc", "https://example.com", "https://example.com/a"],
    ["\u2068https://example.com/a\u2069 https://example.com/b\u2800 https://example.com/c\u3000d", "https://example.com/a", "https://example.com/b", "https://example.com/c"],
    // Character references, and marks of lists and tables
    ["&lt;https://example.com/a&gt; https://example.com/?q=1&amp;r=2&quot;.", "https://example.com/a", "https://example.com/?q=1&amp;r=2"],
    ["|https://example.com/a|https://example.com/b|", "https://example.com/a", "https://example.com/b"],
    ["**https://example.com/a** ~~https://example.com/b~~ _https://example.com/c_", "https://example.com/a", "https://example.com/b", "https://example.com/c"],
  ] as const) {
    assert.deepEqual(links(text), want, text);
    assert.equal(pieces(text).map((piece) => piece.text).join(""), text);
  }
});

test("what belongs to a link stays in it", () => {
  for (const link of [
    "https://en.wikipedia.org/wiki/Link_(film)",
    "https://en.wikipedia.org/wiki/Rubik's_Cube",
    "https://en.wikipedia.org/wiki/Hardy–Weinberg_principle",
    "https://zh.wikipedia.org/wiki/北京（消歧义）",
    "https://fr.wikipedia.org/wiki/L’Équipe_«_a_»",
    "https://ca.wikipedia.org/wiki/Paral·lel",
    "https://ja.wikipedia.org/wiki/レオナルド・ダ・ヴィンチ",
    "https://he.wikipedia.org/wiki/צה״ל",
    "https://fa.wikipedia.org/wiki/می‌خواهم",
    "https://emojipedia.org/❤️",
    "https://münchen.de/straße",
    "https://例え.テスト/道",
    "https://пример.рф",
    "https://उदाहरण.भारत/क",
    "https://i❤.example/x",
    "https://a-b.example-c.com:8080/x?y[]=1&z={id}#a/b",
    "https://user:pass@example.com/x",
    "http://[2001:db8::1]:7777/#connect=Zo%C3%AB",
    "http://localhost:7777",
    "http://192.168.1.5/a,b;c=d",
    "https://example.com/a|b*c~d!e'f$g@h",
    "https://example.com?x=1",
  ]) {
    for (const text of [link, `(${link})`, `${link}, and`, `„${link}“`, `${link}。`]) {
      assert.deepEqual(pieces(text).flatMap(({ href }) => href ?? []), [link], text);
    }
  }
});

test("links are found in a time that is linear in the text", () => {
  for (const part of ["http://a/(", "http://a/（", "http://a/“”", "http://a/x", "http://a/[(", `http://a/${"(".repeat(500)}`, "http://", "http://a@", "http://1.2.3.4.5/", "http://a.", "&a;", "http://a/&amp;", "http://a/.", "http://x)"]) {
    const text = part.repeat(1_000_000 / part.length);
    assert.equal(pieces(text).map((piece) => piece.text).join("").length, text.length, part);
  }
});
