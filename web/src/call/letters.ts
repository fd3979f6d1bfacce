import type { Correspondence, Letter } from "../conversation/correspondence.js";
import { textChunks } from "./framing.js";

/** The letters of a correspondence as chunks, each letter once on this channel. */
export class LetterChunks {
  /** The chunks that are left of the letter that is being sent. */
  #chunks: Generator<Uint8Array<ArrayBuffer>, void> | undefined;
  /** The id of the last letter that was begun. */
  #begun = 0;

  constructor(private readonly correspondence: Correspondence) {}

  /** The next chunk to send; undefined: no letter waits. */
  next(): Uint8Array<ArrayBuffer> | undefined {
    const chunk = this.#chunks?.next();
    if (chunk !== undefined && chunk.done !== true) return chunk.value;
    const letter = this.correspondence.waiting.find(({ id }) => id > this.#begun);
    if (letter === undefined) {
      this.#chunks = undefined;
      return undefined;
    }
    this.#begun = letter.id;
    this.#chunks = textChunks(letter.id, new TextEncoder().encode(letter.text));
    return this.#chunks.next().value ?? undefined;
  }

  /** The other page has the letter `id` and all before it. Returns the letters that this confirms: only those that were sent on this channel. */
  confirm(id: number): Letter[] {
    return this.correspondence.confirm(Math.min(id, this.#begun));
  }
}
