import type { Fingerprints } from "./fingerprints.js";

/** Who the other end of an open call proves to be. */
export type Trust = {
  readonly fingerprints: Fingerprints;
  /** Whether the other browser keeps its certificate, so that there is something to verify. */
  readonly lasting: boolean;
} & (
  | {
      /** The same certificate as before, a first one, or a new one that the person has accepted. */
      readonly kind: "accepted";
      /** Whether the person has compared the safety number. */
      verified: boolean;
      /** The person has gone on although what is remembered could not be read. It may be read later. */
      readonly unread?: boolean;
    }
  | {
      /** Another certificate than before. Nothing is sent until the person has decided. */
      readonly kind: "changed";
      /** Whether the certificate before was verified. */
      readonly wasVerified: boolean;
    }
  | {
      /** What is remembered of them cannot be read. Nothing is sent until it has been read, or the person has decided. */
      readonly kind: "unread";
      /** It is damaged, so that it will never be read. */
      readonly damaged: boolean;
    }
);
