/** Makes stored versions for tests, as a property index would hold them. */
import { sourceDigest } from '../../src/property/digest.ts';
import { entityKey } from '../../src/property/entity.ts';
import { parseSource, type Spelling, spellProperty } from '../../src/property/source-json.ts';
import type { StoredVersion } from '../../src/shard-copy/shard-copy.ts';

export interface VersionOptions {
  readonly group?: string;
  readonly name?: string;
  readonly id: string;
  readonly revision: bigint;
  readonly deleteTime?: bigint;
  /** Text of the one tag, so that contents can differ at the same revision. */
  readonly value?: string;
  readonly spelling?: Spelling;
}

export function makeVersion(options: VersionOptions): StoredVersion {
  const {
    group = 'g',
    name = 'n',
    id,
    revision,
    deleteTime = 0n,
    value = 'v',
    spelling = 'compact',
  } = options;
  const source = spellProperty(
    {
      group,
      name,
      id,
      metadataId: 0,
      createRevision: 1n,
      modRevision: revision,
      tags: [{ key: 'k', value: { kind: 'str', value } }],
      updatedAt: null,
    },
    spelling,
  );
  return {
    key: entityKey({ name, id }),
    revision,
    deleteTime,
    digest: sourceDigest(source, deleteTime),
    source,
  };
}

/** The same version in another spelling. */
export function spellVersion(version: StoredVersion, spelling: Spelling): StoredVersion {
  const source = spellProperty(parseSource(version.source), spelling);
  return { ...version, source, digest: sourceDigest(source, version.deleteTime) };
}
