import type { Database, Transaction } from "./database.js";
import type { StoreName } from "./schema.js";

/** A range of keys, as the fake IDBKeyRange of the tests makes it. */
interface Range {
  lower: unknown;
  upper: unknown;
  lowerOpen: boolean;
  upperOpen: boolean;
}

/** Makes IDBKeyRange.bound work where there is no IndexedDB. */
export function fakeKeyRanges(): void {
  const bound = (lower: unknown, upper: unknown, lowerOpen = false, upperOpen = false): Range => ({ lower, upper, lowerOpen, upperOpen });
  Object.assign(globalThis, { IDBKeyRange: { bound } });
}

/** W3C, Indexed Database API, "compare two keys". */
function compare(a: unknown, b: unknown): number {
  const kinds = [a, b].map((key) => (Array.isArray(key) ? 2 : typeof key === "string" ? 1 : 0)) as [number, number];
  if (kinds[0] !== kinds[1]) return kinds[0] - kinds[1];
  if (Array.isArray(a) && Array.isArray(b)) {
    for (let i = 0; i < a.length && i < b.length; i++) {
      const order = compare(a[i], b[i]);
      if (order !== 0) return order;
    }
    return a.length - b.length;
  }
  return (a as number) < (b as number) ? -1 : (a as number) > (b as number) ? 1 : 0;
}

function within(key: unknown, range: Range | undefined): boolean {
  if (range === undefined) return true;
  const [low, high] = [compare(key, range.lower), compare(key, range.upper)];
  return (range.lowerOpen ? low > 0 : low >= 0) && (range.upperOpen ? high < 0 : high <= 0);
}

type Stores = Map<StoreName, Map<string, { key: unknown; value: Record<string, unknown> }>>;

/** A database in memory that orders and commits as a browser's does. `fails` makes the next write fail after its work. */
export function databaseInMemory() {
  let stores: Stores = new Map();
  const control = { fails: undefined as DOMException | undefined, writes: 0 };
  const objects = (name: StoreName) => stores.get(name) ?? stores.set(name, new Map()).get(name)!;
  const inOrder = (name: StoreName, range: unknown) =>
    [...objects(name).values()]
      .filter(({ key }) => within(key, range as Range | undefined))
      .sort((a, b) => compare(a.key, b.key))
      .map(({ value }) => structuredClone(value));
  const transaction: Transaction = {
    get: async (store, key) => structuredClone(objects(store).get(JSON.stringify(key))?.value),
    entry: async (me, key, id) => {
      const found = [...objects("entries").values()].find(({ value }) => value["id"] === id && value["me"] === me && value["key"] === key);
      return structuredClone(found?.value);
    },
    each: async (store, range, take) => inOrder(store, range).forEach(take),
    put: (store, key, value) => void objects(store).set(JSON.stringify(key), { key, value: structuredClone(value) as Record<string, unknown> }),
    delete: (store, key) => void objects(store).delete(JSON.stringify(key)),
  };
  let turn: Promise<unknown> = Promise.resolve();
  const database: Database = {
    get: transaction.get,
    entry: transaction.entry,
    all: async (store, range) => inOrder(store, range),
    newest: async (store, range, take) => {
      for (const value of inOrder(store, range).reverse()) if (!take(value)) return;
    },
    change: async (changes) => {
      for (const change of changes) {
        if ("value" in change) transaction.put(change.store, change.key, change.value);
        else
          for (const [name, { key }] of objects(change.store)) {
            const { delete: gone } = change;
            if (Array.isArray(gone) || typeof gone === "string" ? compare(key, gone) === 0 : within(key, gone as unknown as Range)) objects(change.store).delete(name);
          }
      }
    },
    write: (_stores, work) => {
      const result = turn.then(async () => {
        const before: Stores = new Map([...stores].map(([name, records]) => [name, new Map(records)]));
        try {
          control.writes++;
          const done = await work(transaction);
          if (control.fails !== undefined) throw control.fails;
          return done;
        } catch (error) {
          stores = before;
          throw error;
        }
      });
      turn = result.catch(() => {});
      return result;
    },
    claim: async (_store, _key, value) => value,
    clear: async () => stores.clear(),
  };
  return { database, control };
}
