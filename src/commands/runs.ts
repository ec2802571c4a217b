/** `runs`, `watch` and `cancel`: builds and repairs of a running replica, those that ended and those under way. */
import type { ChangeResource, RunResource } from '../admin/resources.ts';
import { addAdminOptions, AdminClient, type AdminOptions } from './admin-client.ts';
import {
  addRun,
  type AddVerb,
  type CommandContext,
  type ExitCode,
  exitCodes,
  wholeNumber,
} from './command.ts';
import { readableRun, runPath } from './run-text.ts';

interface RunsOptions extends AdminOptions {
  readonly limit: number;
  readonly group?: string;
  readonly kind?: string;
  readonly state?: string;
  readonly changes?: boolean;
}

/** Most that is listed by one command. */
const limitMax = 1_000;

export const addRuns: AddVerb = (program, environment, onExit) => {
  const command = program
    .command('runs')
    .description('Lists builds and repairs, newest first, or shows one; ends with the code of the one shown.')
    .argument('[run]', 'only this one')
    .option('--limit <count>', 'how many', wholeNumber(1, limitMax), 20)
    .option('--group <group>', 'only of this group')
    .option('--kind <kind>', 'only of this kind: build or repair')
    .option('--state <state>', 'only in this state: waiting, running or ended')
    .option('--changes', 'with RUN: every change it made')
    .addHelpText('after', '\nExample: tallystick runs --kind repair');
  addRun<RunsOptions>(addAdminOptions(command), environment, onExit, runRuns);
};

export const addWatch: AddVerb = (program, environment, onExit) => {
  const command = program
    .command('watch')
    .description('Shows runs live as they move on; of one run until it ends, with its exit code.')
    .argument('[run]', 'only this one')
    .addHelpText('after', '\nExample: tallystick watch --admin 127.0.0.1:17961');
  addRun<AdminOptions>(addAdminOptions(command), environment, onExit, runWatch);
};

export const addCancel: AddVerb = (program, environment, onExit) => {
  const command = program
    .command('cancel')
    .description('Cancels a run that waits or runs; running it again continues it.')
    .argument('<run>', 'its id')
    .addHelpText('after', '\nExample: tallystick cancel 019ab1…');
  addRun<AdminOptions>(addAdminOptions(command), environment, onExit, async (context, [id = ''], options) => {
    const client = await AdminClient.open(context, options);
    const run = await client.ask<RunResource>('POST', `${runPath(id)}/cancel`);
    await context.out.result({ ...run }, readableRun(run));
    return exitCodes.done;
  });
};

async function runRuns(context: CommandContext, [id]: string[], options: RunsOptions): Promise<ExitCode> {
  const client = await AdminClient.open(context, options);
  if (id !== undefined) return await showRun(context, client, id, options.changes === true);
  const query = new URLSearchParams({ limit: String(options.limit) });
  for (const name of ['group', 'kind', 'state'] as const) {
    const value = options[name];
    if (value !== undefined) query.set(name, value);
  }
  const { runs, next } = await client.ask<{ runs: RunResource[]; next: string | null }>(
    'GET',
    `/v1/runs?${query}`,
  );
  for (const run of runs) await context.out.result({ ...run }, readableRun(run));
  await context.out.summary(
    { runs: runs.length, more: next !== null },
    runs.length === 0 ? 'no runs' : `${runs.length} runs`,
  );
  return exitCodes.done;
}

async function showRun(
  { out }: CommandContext,
  client: AdminClient,
  id: string,
  changes: boolean,
): Promise<ExitCode> {
  const run = await client.ask<RunResource>('GET', runPath(id));
  await out.result({ ...run }, readableRun(run));
  if (!changes) return codeOf(run);
  type Page = { changes: ChangeResource[]; next: number | null };
  for (let after: number | null = 0; after !== null; ) {
    const page: Page = await client.ask('GET', `${runPath(id)}/changes?after=${after}&limit=${limitMax}`);
    for (const change of page.changes) {
      await out.result(
        { ...change },
        `  ${change.entity} at ${change.place}: ${change.result} (${change.reason})`,
      );
    }
    after = page.next;
  }
  return codeOf(run);
}

async function runWatch(context: CommandContext, [id]: string[], options: AdminOptions): Promise<ExitCode> {
  const { out, signal } = context;
  const client = await AdminClient.open(context, options);
  let last: RunResource | null = null;
  try {
    for await (const run of client.events<RunResource>(
      id === undefined ? '/v1/events' : `${runPath(id)}/events`,
    )) {
      last = run;
      if (out.json || run.state !== 'running') await out.result({ ...run }, readableRun(run));
      else out.progress(() => readableRun(run));
    }
  } catch (error) {
    // Watching ends when whoever watches has seen enough.
    if (!signal.aborted) throw error;
    return exitCodes.done;
  }
  return id === undefined || last === null ? exitCodes.done : codeOf(last);
}

function codeOf({ outcome }: RunResource): ExitCode {
  const { done, differs, inconclusive, error } = exitCodes;
  if (outcome === 'differs') return differs;
  if (outcome === 'inconclusive' || outcome === null || outcome === 'cancelled') return inconclusive;
  return outcome === 'failed' ? error : done;
}
