/** `load`: records from files into a data root, all of them or, where one is wrong, none. */
import { stat } from 'node:fs/promises';
import { Option } from 'commander';
import { CodedError } from '../lib/coded-error.ts';
import {
  checkGroupSettings,
  defaultSlots,
  type GroupSettings,
  shardsMax,
  slotsMax,
} from '../property/group-settings.ts';
import { readRecords } from '../property/read-records.ts';
import type { Spelling } from '../property/source-json.ts';
import { BulkWriter } from '../property-index/bulk-writer.ts';
import { createGroup, isDataRoot } from '../property-index/data-root.ts';
import {
  addRun,
  type AddVerb,
  type CommandContext,
  type ExitCode,
  exitCodes,
  wholeNumber,
} from './command.ts';
import { checkRecords, type GivenSettings, problemsError, settleSettings } from './load-check.ts';
import { LoadInput } from './load-input.ts';

interface LoadOptions {
  readonly root: string;
  readonly shards?: number;
  readonly slots?: number;
  readonly spelling?: Spelling;
}

const help = `
A record is a property in BanyanDB's JSON names, {"property":…,"deleteTime":…} or {"source":…,"deleteTime":…},
one a line (NDJSON) or in a JSON array. Of several versions of an entity the greatest stays.

Example: tallystick load --root ./replica-1 --shards 2 properties.ndjson`;

export const addLoad: AddVerb = (program, environment, onExit) => {
  const command = program
    .command('load')
    .description('Checks records and, if all are good, applies them to the properties of a data root.')
    .argument('<file...>', 'files of records; - is standard input')
    .requiredOption('--root <dir>', 'the data root; created when absent')
    .option('--shards <count>', 'shards of a new group (default: 1)', wholeNumber(1, shardsMax))
    .option(
      '--slots <count>',
      `tree slots of a new group, a power of two (default: ${defaultSlots})`,
      wholeNumber(1, slotsMax),
    )
    .addOption(
      new Option(
        '--spelling <spelling>',
        'how a new group spells stored JSON (default: as its first stored text)',
      ).choices(['compact', 'spaced']),
    )
    .addHelpText('after', help);
  addRun<LoadOptions>(command, environment, onExit, runLoad);
};

async function runLoad(context: CommandContext, names: string[], options: LoadOptions): Promise<ExitCode> {
  const { out, signal } = context;
  const { root } = options;
  const given = givenSettings(options);
  const defaults = { shards: 1, slots: defaultSlots };
  checkGroupSettings({ ...defaults, ...given });
  await checkRoot(root);
  await using input = await LoadInput.open(names, context.stdin, signal);
  const checked = await checkRecords(input, signal, (records) =>
    out.progress(() => `checking: ${records} records`),
  );
  if (checked.problemCount > 0) {
    const { problems, problemCount } = checked;
    await out.result({ summary: { applied: 0, kept: 0, problemCount, problems } }, null);
    throw problemsError(checked);
  }
  const wanted = await settleSettings(root, checked.groups, given, defaults);
  const groups = new Map<string, GroupSettings>();
  for (const [group, settings] of wanted) groups.set(group, await createGroup(root, group, settings));
  const counts = await writeRecords(context, input, { root, groups, records: checked.records });
  const told = [...groups].map(
    ([group, { shards }]) => `${group} (${shards} ${shards === 1 ? 'shard' : 'shards'})`,
  );
  const into = told.length === 0 ? '' : ` into ${told.join(', ')}`;
  await out.summary(
    { ...counts, problems: [] },
    `${counts.applied} versions applied${into}, ${counts.kept} kept out as older or equal`,
  );
  return exitCodes.done;
}

function givenSettings({ shards, slots, spelling }: LoadOptions): GivenSettings {
  return {
    ...(shards === undefined ? {} : { shards }),
    ...(slots === undefined ? {} : { slots }),
    ...(spelling === undefined ? {} : { spelling }),
  };
}

// A folder of other things is a slip of the hand, not a data root to be.
async function checkRoot(root: string): Promise<void> {
  const found = await stat(root).catch(() => null);
  if (found === null) return;
  if (found.isDirectory() && (await isDataRoot(root))) return;
  throw new CodedError('bad-argument', `${root} is no data root: it holds other things`, {
    field: 'root',
    value: root,
    place: root,
  });
}

async function writeRecords(
  { out, clock, signal }: CommandContext,
  input: LoadInput,
  target: {
    readonly root: string;
    readonly groups: ReadonlyMap<string, GroupSettings>;
    readonly records: number;
  },
): Promise<{ applied: number; kept: number }> {
  const { root, groups, records } = target;
  await using writer = new BulkWriter({ root, groups, clock, signal });
  let done = 0;
  for (const file of input.files) {
    for await (const line of readRecords(file.name, input.chunks(file, signal))) {
      if ('problems' in line || !groups.has(line.record.property.group))
        throw changedMeanwhile(file.name, line.line);
      await writer.add(line.record);
      done += 1;
      out.progress(() => `loading: ${done} of ${records} records`);
    }
  }
  await writer.flush();
  return writer.counts;
}

function changedMeanwhile(file: string, line: number): CodedError {
  return new CodedError('bad-records', `${file} was changed while it was loaded; load it again`, {
    file,
    line,
  });
}
