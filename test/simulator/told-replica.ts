/** A replica that holds what a test says, for the checks of the simulator. */
import type { Version } from '../../src/property/version.ts';
import type { Contents, Replica } from './replica.ts';

export const key = 'n\0e0';

export function version(revision: bigint, deleteTime = 0n, content = 1): Version {
  return { revision, deleteTime, digest: Buffer.alloc(64, content) };
}

export const of = (held: Version): Contents => new Map([[key, held]]);

export class Told {
  readonly name: string;
  readonly kind: 'tallystick' | 'banyandb';
  touched = true;
  contents: Contents;
  /** Of its newest tree. */
  root = Buffer.alloc(0);
  readonly store = {
    contents: (): Contents => this.contents,
    everything: (): Contents[] => [this.contents],
    listedTree: async () => ({ root: this.root }),
    build: async () => undefined,
  };

  constructor(name: string, contents: Contents, kind: 'tallystick' | 'banyandb' = 'tallystick') {
    this.name = name;
    this.contents = contents;
    this.kind = kind;
  }

  restart(): void {}

  get replica(): Replica {
    return this as unknown as Replica;
  }

  now(contents: Contents): Replica[] {
    this.contents = contents;
    this.touched = true;
    return [this.replica];
  }
}
