/** The sorted leaf stream of a snapshot in another spelling than its own: each value is spelled and digested anew. */
import { sourceDigest } from '../property/digest.ts';
import { parseSource, type Spelling, spellProperty } from '../property/source-json.ts';
import { packVersion, unpackVersion } from '../property/version.ts';
import type { Snapshot } from '../property-index/snapshot.ts';

/** Pages of packed leaves, as `Snapshot.leafRows` gives them. */
export function* respelledRows(snapshot: Snapshot, spelling: Spelling): Generator<Buffer> {
  for (const rows of snapshot.sourceRows()) {
    yield Buffer.concat(
      rows.flatMap((row) => {
        const { revision, deleteTime } = unpackVersion(row.version);
        const digest = sourceDigest(spellProperty(parseSource(row.text), spelling), deleteTime);
        return [row.placement, row.entity_key, packVersion({ revision, deleteTime, digest })];
      }),
    );
  }
}
