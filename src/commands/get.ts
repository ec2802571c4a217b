/** `get`: one property of a data root, as it is now. */
import { toHex } from '../lib/bytes.ts';
import { entityKey, splitEntity } from '../property/entity.ts';
import type { StoredVersion } from '../property/version.ts';
import { openReader } from '../property-index/index-reader.ts';
import { addRun, type AddVerb, type CommandContext, type ExitCode, exitCodes } from './command.ts';
import { checkDataRoot, shardOfEntity, versionJson } from './data-root-shard.ts';

interface GetOptions {
  readonly root: string;
  readonly deleted?: boolean;
}

export const addGet: AddVerb = (program, environment, onExit) => {
  const command = program
    .command('get')
    .description('Shows one property; ends with 1 where there is none.')
    .argument('<entity>', 'GROUP/NAME/ID; an ID may hold slashes')
    .requiredOption('--root <dir>', 'the data root')
    .option('--deleted', 'show it also where it is deleted')
    .addHelpText('after', '\nExample: tallystick get --root ./replica-1 mime/type/image/png');
  addRun<GetOptions>(command, environment, onExit, runGet);
};

async function runGet(
  { out }: CommandContext,
  [text = '']: string[],
  options: GetOptions,
): Promise<ExitCode> {
  const { root } = options;
  const entity = splitEntity(text);
  await checkDataRoot(root);
  const identity = await shardOfEntity(root, entity);
  using reader = identity === null ? null : openReader(identity);
  const found = reader?.look(entityKey(entity)) ?? null;
  if (found === null || (found.deleteTime !== 0n && options.deleted !== true)) {
    await out.result({ property: null, revision: null, deleteTime: null, digest: null }, null);
    if (!out.json)
      out.talk(found === null ? `${root} has no ${text}` : `${text} is deleted; --deleted shows it`);
    return exitCodes.differs;
  }
  await out.result(versionJson(found), readableVersion(found));
  return exitCodes.done;
}

function readableVersion({ source, revision, deleteTime, digest }: StoredVersion): string {
  return [
    JSON.stringify(JSON.parse(source), null, 2),
    `revision ${revision}${deleteTime === 0n ? '' : `, deleted at ${deleteTime}`}`,
    `digest ${toHex(digest)}`,
  ].join('\n');
}
