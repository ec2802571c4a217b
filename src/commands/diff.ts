/** `diff`: who has what and who wins, from the trees as they are. Builds and changes nothing. */
import { CodedError } from '../lib/coded-error.ts';
import type { Member } from '../round/member.ts';
import { addRun, type AddVerb, type CommandContext, type ExitCode } from './command.ts';
import { addDiffOptions, compareShard, type DiffOptions, DiffTotals } from './diff-totals.ts';
import { addPlaceOptions, type PlaceOptions, withPlaces } from './place-options.ts';
import { matchComparable } from './places.ts';

interface DiffCommandOptions extends PlaceOptions, DiffOptions {}

export const addDiff: AddVerb = (program, environment, onExit) => {
  const command = program
    .command('diff')
    .description('Compares the trees of two or more places: who has what, who wins.')
    .argument(
      '<places...>',
      'data roots, tree files, folders of BanyanDB tree files or HOST:PORT, at least two',
    )
    .addHelpText('after', '\nExample: tallystick diff ./replica-1 ./replica-2 ./replica-3');
  addRun<DiffCommandOptions>(addDiffOptions(addPlaceOptions(command)), environment, onExit, runDiff);
};

async function runDiff(
  context: CommandContext,
  names: string[],
  options: DiffCommandOptions,
): Promise<ExitCode> {
  if (names.length < 2) {
    throw new CodedError('bad-argument', 'diff takes at least two places', {
      field: 'places',
      value: names,
    });
  }
  return withPlaces(context, names, options, (places) => diffPlaces(context, places, options));
}

async function diffPlaces(
  context: CommandContext,
  places: readonly Member[],
  options: DiffCommandOptions,
): Promise<ExitCode> {
  const totals = new DiffTotals();
  for (const target of await matchComparable(places, options, context.signal)) {
    await compareShard(context, target, options, totals);
  }
  return totals.tell(context);
}
