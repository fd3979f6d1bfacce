import type { Language } from "./words.js";

/** Where settings outlast the page. */
const KEY = "settings";

/** What a person has chosen. */
export interface Choices {
  /** undefined: as the system has it. */
  darkMode: boolean | undefined;
  /** Who calls waits until the person has accepted. */
  askFirst: boolean;
  /** Connections go through a relay of the service's, which hides this device's addresses. */
  relayOnly: boolean;
  /** Nothing is written down. */
  offTheRecord: boolean;
  readReceipts: boolean;
  notifications: boolean;
  /** undefined: as the browser asks for. */
  language: Language | undefined;
  /** Keys (signaling/logins.ts) of logins whose calls are not taken. */
  blocked: readonly string[];
}

const defaults: Choices = {
  darkMode: undefined,
  askFirst: false,
  relayOnly: false,
  offTheRecord: false,
  readReceipts: true,
  notifications: false,
  language: undefined,
  blocked: [],
};

/** The part of localStorage that settings need. */
export interface Shelf {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

/**
 * The settings of this browser, for all its tabs. Where it keeps nothing, or has something kept that these are not, they
 * are the defaults, and hold for as long as the page does.
 */
export class Settings {
  #choices: Choices;

  constructor(
    /** undefined: the browser keeps nothing. */
    private readonly shelf: Shelf | undefined,
    private readonly changed: () => void = () => {},
  ) {
    this.#choices = this.#read();
  }

  get choices(): Readonly<Choices> {
    return this.#choices;
  }

  /** Makes some choices. */
  choose(some: Partial<Choices>): void {
    this.#choices = { ...this.#choices, ...some };
    try {
      this.shelf?.setItem(KEY, JSON.stringify(this.#choices));
    } catch {
      // No room: they hold for this page.
    }
    this.changed();
  }

  /** Another tab has made choices. */
  reread(): void {
    this.#choices = this.#read();
    this.changed();
  }

  /** Forgets all choices. */
  clear(): void {
    this.#choices = defaults;
    try {
      this.shelf?.removeItem(KEY);
    } catch {
      // Then there is nothing kept.
    }
    this.changed();
  }

  #read(): Choices {
    let kept: Record<string, unknown>;
    try {
      kept = JSON.parse(this.shelf?.getItem(KEY) ?? "{}") ?? {};
    } catch {
      kept = {};
    }
    const truth = (value: unknown, otherwise: boolean) => (typeof value === "boolean" ? value : otherwise);
    const { darkMode, language, blocked } = kept;
    return {
      darkMode: typeof darkMode === "boolean" ? darkMode : undefined,
      askFirst: truth(kept["askFirst"], defaults.askFirst),
      relayOnly: truth(kept["relayOnly"], defaults.relayOnly),
      offTheRecord: truth(kept["offTheRecord"], defaults.offTheRecord),
      readReceipts: truth(kept["readReceipts"], defaults.readReceipts),
      notifications: truth(kept["notifications"], defaults.notifications),
      language: language === "en" || language === "fr" ? language : undefined,
      blocked: Array.isArray(blocked) ? blocked.filter((key) => typeof key === "string") : [],
    };
  }
}
