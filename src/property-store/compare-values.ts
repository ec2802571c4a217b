/** Order of tag values, for conditions and for sorting. Values of unlike kinds are equal to nothing of each other. */
import { compareBytes } from '../lib/bytes.ts';
import type { TagValue, Timestamp } from '../property/property.ts';

/** Order of the kinds where values of unlike kinds are sorted. */
const kindOrder = ['empty', 'null', 'int', 'timestamp', 'str', 'binaryData', 'intArray', 'strArray'] as const;

/** Negative where `a` comes before `b`: by number, by point in time, by bytes, arrays item by item; unlike kinds by kind. */
export function compareValues(a: TagValue, b: TagValue): number {
  if (a.kind === 'int' && b.kind === 'int') return compareNumbers(a.value, b.value);
  if (a.kind === 'str' && b.kind === 'str') return compareTexts(a.value, b.value);
  if (a.kind === 'timestamp' && b.kind === 'timestamp') return compareTimes(a.value, b.value);
  if (a.kind === 'binaryData' && b.kind === 'binaryData') return compareBytes(a.value, b.value);
  if (a.kind === 'intArray' && b.kind === 'intArray') return compareItems(a.value, b.value, compareNumbers);
  if (a.kind === 'strArray' && b.kind === 'strArray') return compareItems(a.value, b.value, compareTexts);
  return kindOrder.indexOf(a.kind) - kindOrder.indexOf(b.kind);
}

function compareNumbers(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

// As UTF-8, so that the order is that of code points.
function compareTexts(a: string, b: string): number {
  return compareBytes(Buffer.from(a), Buffer.from(b));
}

function compareTimes(a: Timestamp, b: Timestamp): number {
  return compareNumbers(a.seconds, b.seconds) || a.nanos - b.nanos;
}

function compareItems<Item>(
  a: readonly Item[],
  b: readonly Item[],
  compare: (a: Item, b: Item) => number,
): number {
  for (const [at, item] of a.entries()) {
    const other = b[at];
    if (other === undefined) return 1;
    const order = compare(item, other);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}
