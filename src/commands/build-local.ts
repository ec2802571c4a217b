/** One build of one local shard with its progress and warnings told; what several verbs do. */
import { CodedError } from '../lib/coded-error.ts';
import { readGroupSettings } from '../property-index/data-root.ts';
import type { ShardIdentity } from '../property-index/schema.ts';
import type { BuildResult } from '../tree/build-tree.ts';
import type { TreeBuilder } from '../tree/tree-builder.ts';
import type { CommandContext } from './command.ts';

/** Builds the shard's tree unless it is current. Throws `not-found` where the group is absent. */
export async function buildLocalTree(
  { out, signal }: Pick<CommandContext, 'out' | 'signal'>,
  builder: TreeBuilder,
  identity: ShardIdentity,
  options: { readonly force?: boolean } = {},
): Promise<BuildResult> {
  const settings = await readGroupSettings(identity.root, identity.group);
  if (settings === null) {
    throw new CodedError('not-found', `${identity.root} has no group ${identity.group}`, { group: identity.group });
  }
  const name = `${identity.root} ${identity.group}/${identity.shard}`;
  return builder.build({
    identity,
    settings,
    force: options.force ?? false,
    signal,
    onProgress: ({ phase, done, total }) => out.progress(() => `building ${name}: ${phase} ${done} of ${total}`),
    onDamage: (path, error) => out.talk(`warning: set ${path} aside, building anew: ${error.message}`),
  });
}
