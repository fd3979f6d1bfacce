/** Lets promises that can be settled now run to their end. */
export const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
