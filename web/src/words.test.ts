import assert from "node:assert/strict";
import { test } from "node:test";
import { type Words, languageFor, languages, localeFor, phrase, say } from "./words.js";

/** The same in both languages. */
const SAME = new Set<keyof Words>(["name", "conversations", "seconds", "verbatim", "fileSpeed"]);

test("nothing of the page is English where it speaks French, and names stand in both", () => {
  const { en, fr } = languages;
  for (const key of Object.keys(en) as (keyof Words)[]) {
    const args = ["ARG1", "ARG2", "1000000"];
    const [english, french] = [en, fr].map((words) => {
      const found = words[key] as string | ((...args: string[]) => string);
      return typeof found === "function" ? found(...args) : found;
    }) as [string, string];
    if (SAME.has(key)) assert.equal(french, english, key);
    else assert.notEqual(french, english, key);
    for (const name of args.slice(0, 2)) assert.equal(french.includes(name), english.includes(name), `${key} names ${name}`);
    // A narrow no-break space belongs before these, or a no-break space; never one at which a line may break.
    assert.doesNotMatch(french, /[a-zé] [?!;:](?: |$)/u, key);
  }
});

test("the language is the one chosen, or else the first one wanted that there is", () => {
  assert.equal(languageFor(undefined, ["de", "fr-CA", "en"]), "fr");
  assert.equal(languageFor(undefined, ["de", "constructor"]), "en");
  assert.equal(languageFor("en", ["fr"]), "en");
});

test("what an earlier version has noted is said, and what a later one has is passed over", () => {
  assert.equal(say(languages.en, phrase("noteLeft", "bob")), "bob left");
  assert.equal(say(languages.en, { key: "of a later version" as keyof Words, args: [] }), "");
});

test("a name in a sentence turns nothing round, and hides nothing", () => {
  for (const words of Object.values(languages)) {
    assert.match(words.invitedBy("bob\u202egpj"), /bob\[U\+202E\]gpj/u);
    assert.match(say(words, phrase("fileTooLargeForPeer", "a\u200b.iso", "b\u2066b", "1000")), /a\[U\+200B\]\.iso.*b\[U\+2066\]b/u);
  }
});

test("times are written in the language of the words, in the region that the browser wants for it", () => {
  for (const [language, wanted, tag] of [
    ["en", ["en-GB", "de"], "en-GB"],
    ["en", ["de-DE", "en-AU"], "en-AU"],
    ["en", ["de-DE", "ar-EG"], "en"],
    ["fr", ["en-US"], "fr"],
    ["fr", ["en-US", "fr-CH"], "fr-CH"],
    ["en", ["en-US-u-ca-buddhist-nu-thai-hc-h23"], "en-US"],
    ["en", ["en-Arab-PK"], "en-PK"],
    ["en", ["en-US@posix", "C", ""], "en"],
    ["en", ["en@posix", "en-IE"], "en-IE"],
    ["en", [], "en"],
  ] as const) {
    assert.equal(localeFor(language, wanted), tag);
    assert.match(new Intl.DateTimeFormat(localeFor(language, wanted), { weekday: "long" }).resolvedOptions().locale, new RegExp(`^${language}`, "u"));
  }
});
