/** What a write makes of what is there: merge or replace. Pure; runs inside the transaction that writes. */
import type { Property } from '../property/property.ts';
import { timestampOfNs } from '../property/timestamp.ts';
import type { Edit } from '../property-index/edit.ts';

export type Strategy = 'merge' | 'replace';

/** What an application wants written. */
export interface PropertyWrite {
  /** Its modRevision is the one that its author has read, 0 for none; createRevision and updatedAt do not count. */
  readonly property: Property;
  /** Merge keeps the tags of the live version that the write does not name; replace leaves only those it names. */
  readonly strategy: Strategy;
}

/** What a write came to, besides the version itself. */
export interface Written {
  /** There was no live version. */
  created: boolean;
  /** Tags of the property as it is now. */
  tags: number;
  /** Given to it. */
  revision: bigint;
}

/** The edit of a write, and what it came to once it was decided. */
export function writeEdit({ property, strategy }: PropertyWrite): { edit: Edit; written: Written } {
  const written: Written = { created: false, tags: 0, revision: 0n };
  const decide: Edit['decide'] = (current, stamp) => {
    const live = current !== null && current.deleteTime === 0n ? current.property : null;
    const revision = stamp(property.modRevision);
    const tags = live !== null && strategy === 'merge' ? mergedTags(property, live) : property.tags;
    Object.assign(written, { created: live === null, tags: tags.length, revision } satisfies Written);
    return {
      property: {
        ...property,
        tags,
        createRevision: live?.createRevision ?? revision,
        modRevision: revision,
        updatedAt: timestampOfNs(revision),
      },
      deleteTime: 0n,
    };
  };
  return { edit: { entity: property, decide }, written };
}

// As BanyanDB has it: first the tags that were written, then those that were there and are not among them.
function mergedTags({ tags }: Property, live: Property): Property['tags'] {
  const keys = new Set(tags.map(({ key }) => key));
  return [...tags, ...live.tags.filter(({ key }) => !keys.has(key))];
}
