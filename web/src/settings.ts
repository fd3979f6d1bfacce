import type { Language } from "./words.js";

/** The key of the settings in localStorage. */
const KEY = "settings";

/** A person's choices. */
export interface Choices {
  /** undefined: the system decides. */
  darkMode: boolean | undefined;
  /** Calls wait until the person accepts them. */
  askFirst: boolean;
  /** Calls go through the service's relay, which hides this device's addresses. */
  relayOnly: boolean;
  /** Nothing is stored on this device. */
  offTheRecord: boolean;
  readReceipts: boolean;
  notifications: boolean;
  /** undefined: the browser's languages decide. */
  language: Language | undefined;
  /** The keys (signaling/logins.ts) of logins whose calls are refused. */
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
 * The settings of this browser. All its tabs share them. If the browser keeps nothing, or what it keeps cannot be read,
 * they begin with the defaults.
 */
export class Settings {
  #choices: Choices;
  #kept: boolean;

  constructor(
    /** undefined: the browser keeps nothing, and choices last until the page is closed. */
    private readonly shelf: Shelf | undefined,
    private readonly changed: () => void = () => {},
    /** Brings logins to the form in which they are compared. Earlier versions of the page may have kept another form. */
    private readonly keyOf: (login: string) => string = (login) => login,
  ) {
    this.#kept = shelf !== undefined;
    this.#choices = this.#read();
  }

  /** Whether the browser keeps the choices. Otherwise they last until the page is closed. */
  get kept(): boolean {
    return this.#kept;
  }

  get choices(): Readonly<Choices> {
    return this.#choices;
  }

  /** Changes some choices. */
  choose(some: Partial<Choices>): void {
    this.#choices = { ...this.#choices, ...some };
    try {
      this.shelf?.setItem(KEY, JSON.stringify(this.#choices));
      this.#kept = this.shelf !== undefined;
    } catch {
      this.#kept = false; // There is no room.
    }
    this.changed();
  }

  /** Refuses the calls of a login, or takes them again. @param key the login (signaling/logins.ts) */
  block(key: string, block: boolean): void {
    const others = this.#choices.blocked.filter((other) => other !== key);
    this.choose({ blocked: block ? [...others, key] : others });
  }

  /** Another page may have changed the choices. What the browser does not keep stays. */
  reread(): void {
    if (!this.#kept) return;
    this.#choices = this.#read();
    this.changed();
  }

  /** Forgets all choices. */
  clear(): void {
    this.#choices = defaults;
    try {
      this.shelf?.removeItem(KEY);
    } catch {
      // Then nothing is kept.
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
      blocked: Array.isArray(blocked) ? [...new Set(blocked.filter((key) => typeof key === "string").map(this.keyOf))] : [],
    };
  }
}
