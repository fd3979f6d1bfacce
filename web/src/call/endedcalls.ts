import type { ByeReason } from "../signaling/frames.js";
import { Newest } from "./newest.js";

/** Most calls that are remembered. */
const MAX_REMEMBERED = 64;

/** Remembers the calls that are over, so that a late frame of theirs is not taken for a new call. */
export class EndedCalls {
  /** What the other side is told if it continues the call, by id. */
  readonly #farewells = new Newest<ByeReason>(MAX_REMEMBERED);

  add(id: string, farewell: "left" | "lost" = "left"): void {
    this.#farewells.set(id, farewell);
  }

  /** What the other side is told if it continues this call; undefined: no such call is remembered. */
  farewell(id: string): ByeReason | undefined {
    return this.#farewells.get(id);
  }
}
