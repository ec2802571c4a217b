/** `delete`: gives one property a tombstone, which travels to the other replicas like every version. */
import { toHex } from '../lib/bytes.ts';
import { CodedError } from '../lib/coded-error.ts';
import { type Entity, entityKey, splitEntity } from '../property/entity.ts';
import { compareVersions, type StoredVersion } from '../property/version.ts';
import { openReader } from '../property-index/index-reader.ts';
import { IndexWriter } from '../property-index/index-writer.ts';
import type { ShardIdentity } from '../property-index/schema.ts';
import { addRun, type AddVerb, type CommandContext, type ExitCode, exitCodes } from './command.ts';
import { checkDataRoot, shardOfEntity } from './data-root-shard.ts';

interface DeleteOptions {
  readonly root: string;
}

export const addDelete: AddVerb = (program, environment, onExit) => {
  const command = program
    .command('delete')
    .description(
      'Deletes one property: a version of its own, kept so that the delete cannot be undone by a replica.',
    )
    .argument('<entity>', 'GROUP/NAME/ID; an ID may hold slashes')
    .requiredOption('--root <dir>', 'the data root')
    .addHelpText('after', '\nExample: tallystick delete --root ./replica-1 mime/type/image/png');
  addRun<DeleteOptions>(command, environment, onExit, runDelete);
};

async function runDelete(
  context: CommandContext,
  [text = '']: string[],
  { root }: DeleteOptions,
): Promise<ExitCode> {
  const { out, clock, signal } = context;
  const entity = splitEntity(text);
  await checkDataRoot(root);
  const identity = await shardOfEntity(root, entity);
  const before = identity === null ? null : readVersion(identity, entity);
  if (identity === null || before === null) throw absent(root, text);
  using writer = new IndexWriter(identity, { clock });
  const tombstone = await writer.delete(entity, signal);
  if (tombstone === null) throw absent(root, text);
  const { revision, deleteTime, digest } = tombstone;
  await out.result(
    { entity: text, revision, deleteTime, digest },
    `${text} ${compareVersions(before, tombstone) === 0 ? 'was deleted already' : 'is deleted'}: revision ${revision}, deleted at ${deleteTime}, digest ${toHex(digest)}`,
  );
  return exitCodes.done;
}

function readVersion(identity: ShardIdentity, entity: Entity): StoredVersion | null {
  using reader = openReader(identity);
  return reader?.look(entityKey(entity)) ?? null;
}

function absent(root: string, entity: string): CodedError {
  return new CodedError('not-found', `${root} has no ${entity}; there is nothing to delete`, {
    field: 'entity',
    value: entity,
  });
}
