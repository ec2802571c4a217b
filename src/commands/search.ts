/** `search`: text search over the keys and tags of a data root. */
import { toHex } from '../lib/bytes.ts';
import { CodedError } from '../lib/coded-error.ts';
import { joinEntity, parseEntityKey } from '../property/entity.ts';
import { parseSource } from '../property/source-json.ts';
import { listGroups, readGroupSettings } from '../property-index/data-root.ts';
import { openReader } from '../property-index/index-reader.ts';
import type { ShardIdentity } from '../property-index/schema.ts';
import { parseTextQuery, searchLimitDefault, searchText } from '../property-index/text-search.ts';
import {
  addRun,
  type AddVerb,
  type CommandContext,
  type ExitCode,
  exitCodes,
  wholeNumber,
} from './command.ts';
import { checkDataRoot, versionJson } from './data-root-shard.ts';

/** Ceiling of `--limit`: more is a listing, not a search. */
const limitMax = 100_000;

/** Characters of a result's tags that its readable line shows. */
const shownCharacters = 100;

interface SearchOptions {
  readonly root: string;
  readonly group?: string;
  readonly limit: number;
}

const help = `
All words must be found, as words or as beginnings of words; upper and lower case and accents do not matter.

Example: tallystick search --root ./replica-1 json api`;

export const addSearch: AddVerb = (program, environment, onExit) => {
  const command = program
    .command('search')
    .description('Finds live properties by words of their group, name, id and tags.')
    .argument('<text...>', 'the words')
    .requiredOption('--root <dir>', 'the data root')
    .option('--group <group>', 'only this group')
    .option('--limit <count>', 'results at most', wholeNumber(1, limitMax), searchLimitDefault)
    .addHelpText('after', help);
  addRun<SearchOptions>(command, environment, onExit, runSearch);
};

async function runSearch(
  context: CommandContext,
  texts: string[],
  options: SearchOptions,
): Promise<ExitCode> {
  const { out, signal } = context;
  const { root, limit } = options;
  const query = parseTextQuery(texts.join(' '));
  await checkDataRoot(root);
  let found = 0;
  for await (const identity of shardsOf(root, options.group)) {
    using reader = openReader(identity);
    if (reader === null) continue;
    const onProgress = (searched: number) =>
      out.progress(
        () => `searching ${identity.group}/${identity.shard}: ${searched} properties, ${found} found`,
      );
    for await (const version of searchText(reader, identity.group, query, { signal, onProgress })) {
      if (found === limit) {
        await out.summary(
          { found, more: true },
          `the first ${found} found; there are more (--limit shows them)`,
        );
        return exitCodes.done;
      }
      found += 1;
      const entity = joinEntity(parseEntityKey(identity.group, version.key));
      const digest = toHex(version.digest).slice(0, 16);
      await out.result(
        { entity, ...versionJson(version) },
        `${entity}  ${tagText(version.source)}  ${digest}`,
      );
    }
  }
  await out.summary({ found, more: false }, found === 0 ? 'nothing found' : `${found} found`);
  return exitCodes.done;
}

async function* shardsOf(root: string, only: string | undefined): AsyncGenerator<ShardIdentity> {
  const groups = await listGroups(root);
  if (only !== undefined && !groups.includes(only)) {
    throw new CodedError('not-found', `${root} has no group ${only}`, { field: 'group', value: only });
  }
  for (const group of only === undefined ? groups : [only]) {
    const settings = await readGroupSettings(root, group);
    for (let shard = 0; shard < (settings?.shards ?? 0); shard += 1) yield { root, group, shard };
  }
}

function tagText(source: string): string {
  const parts: string[] = [];
  for (const { key, value } of parseSource(source).tags) {
    if (value?.kind === 'str' || value?.kind === 'int') parts.push(`${key}=${value.value}`);
    else if (value?.kind === 'strArray' || value?.kind === 'intArray')
      parts.push(`${key}=${value.value.join(',')}`);
  }
  const text = parts.join(' ');
  return text.length <= shownCharacters ? text : `${text.slice(0, shownCharacters).toWellFormed()}…`;
}
