/** What runs are tied to: the time a repair may take is that of the clock. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createRuns, type RunsParts } from '../../../src/service/create-runs.ts';
import { History } from '../../../src/service/history.ts';
import { StandingClock } from '../../support/standing-clock.ts';

test('a repair that takes longer than round.timeout is given up, not sooner', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tallystick-runs-'));
  const history = History.open(join(folder, 'history.db'), (_, error) => {
    throw error;
  });
  onTestFinished(() => {
    history[Symbol.dispose]();
    rmSync(folder, { recursive: true, force: true });
  });
  const clock = new StandingClock();
  const asked = Promise.withResolvers<AbortSignal | undefined>();
  // It never answers, and nothing but the end of the run ends that.
  const silent = {
    place: 'silent',
    name: null,
    kind: 'tallystick',
    offer: (signal?: AbortSignal) => {
      asked.resolve(signal);
      return new Promise((_, reject) =>
        signal?.addEventListener('abort', () => reject(signal.reason as Error)),
      );
    },
  };
  const nothing = (): void => undefined;
  const runs = createRuns({
    clock,
    history,
    tracer: null,
    loop: { started: nothing, ended: nothing, paused: nothing, wake: nothing },
    events: { runStarted: nothing, runEnded: nothing, runPaused: nothing },
    openMembers: () => ({ members: [silent, silent], [Symbol.dispose]: nothing }),
    settings: () => ({ round: { timeout: 60_000 } }),
  } as unknown as RunsParts);
  const { id } = runs.add({ kind: 'repair', trigger: 'operator', group: null });
  const signal = await asked.promise;
  await clock.move(59_000);
  expect(signal?.aborted).toBe(false);
  await clock.move(1_000);
  await runs.idle();
  expect(runs.get(id)).toMatchObject({ state: 'ended', outcome: 'failed', error: { code: 'timeout' } });
});
