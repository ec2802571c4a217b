/** Refuses to compare views of unlike trees: other group, shard, shard count, slot scheme or spelling. */
import { CodedError, type ErrorCode } from '../lib/coded-error.ts';
import type { SlotScheme, ViewDescription } from '../shard-copy/shard-copy.ts';

/** A place with what its view, or its listing, says of the tree. */
export interface PlacedDescription {
  readonly place: string;
  readonly view: { readonly description: ViewDescription };
}

/** What the views have in common; null where no view tells. */
export interface CommonTraits {
  readonly group: string;
  readonly shard: number;
  readonly shards: number | null;
  readonly slotScheme: SlotScheme | null;
}

/**
 * Throws `settings-differ` or `spelling-differs`, naming both places and values, unless all views are of
 * like trees. What a view does not tell (null) is taken to be like the others.
 */
export function checkAlike(views: readonly PlacedDescription[]): CommonTraits {
  const group = common(views, 'settings-differ', 'group', (description) => description.group) ?? '';
  const shard = common(views, 'settings-differ', 'shard', (description) => description.shard) ?? 0;
  const shards = common(views, 'settings-differ', 'shard count', (description) => description.shards);
  common(
    views,
    'settings-differ',
    'slot scheme',
    ({ slotScheme }) => slotScheme && describeScheme(slotScheme),
  );
  common(views, 'spelling-differs', 'spelling', (description) => description.spelling);
  const slotScheme =
    views.find(({ view }) => view.description.slotScheme !== null)?.view.description.slotScheme ?? null;
  return { group, shard, shards, slotScheme };
}

function common<T extends string | number>(
  views: readonly PlacedDescription[],
  code: ErrorCode,
  trait: string,
  read: (description: ViewDescription) => T | null,
): T | null {
  let first: { place: string; value: T } | null = null;
  for (const { place, view } of views) {
    const value = read(view.description);
    if (value === null) continue;
    first ??= { place, value };
    if (value !== first.value) {
      throw new CodedError(code, `${trait} is ${first.value} at ${first.place} but ${value} at ${place}`, {
        field: trait,
        places: [first.place, place],
        values: [first.value, value],
      });
    }
  }
  return first?.value ?? null;
}

function describeScheme({ hash, seed, slots }: SlotScheme): string {
  return `${hash} seed ${seed} of ${slots} slots`;
}
