/** The places for comparisons, on a clock that stands: each is given back once, whatever ends the comparison. */
import type { Readable } from 'node:stream';
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod';
import { expect, onTestFinished, test } from 'vitest';
import { createApp } from '../../../src/admin/app.ts';
import { addDifferences } from '../../../src/admin/difference-routes.ts';
import type { Operations } from '../../../src/admin/operations.ts';
import { CodedError } from '../../../src/lib/coded-error.ts';
import { StandingClock } from '../../support/standing-clock.ts';

/** Comparisons that go on until they are given up, after nothing was found; the first `unsent` answers break as they are sent. */
async function endlessComparisons(unsent = 0): Promise<{
  clock: StandingClock;
  ask: () => Promise<Response>;
}> {
  const app = createApp(null);
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.setErrorHandler((error, _, reply) => reply.code(503).send({ code: CodedError.from(error).code }));
  let left = unsent;
  app.addHook('preHandler', async (_, reply) => {
    const { send } = reply;
    reply.send = (payload) => {
      if (!(payload as { readable?: boolean }).readable || left-- <= 0) return send.call(reply, payload);
      (payload as unknown as Readable).destroy();
      throw new CodedError('io', 'it cannot be sent');
    };
  });
  async function* differences(_: unknown, signal: AbortSignal): AsyncGenerator<object> {
    yield { summary: {} };
    await new Promise((_resolve, reject) =>
      signal.addEventListener('abort', () => reject(signal.reason as Error)),
    );
  }
  const clock = new StandingClock();
  addDifferences(app, { differences } as unknown as Operations, clock);
  const address = await app.listen({ host: '127.0.0.1', port: 0 });
  const gone = new AbortController();
  onTestFinished(async () => {
    gone.abort();
    await app.close();
  });
  return { clock, ask: () => fetch(`${address}/v1/differences`, { signal: gone.signal }) };
}

test('a comparison that is not read to its end in time is given up, and says so', async () => {
  const { clock, ask } = await endlessComparisons();
  const readers = [await ask(), await ask()];
  expect(readers.map(({ status }) => status)).toEqual([200, 200]);
  await clock.move(9 * 60_000);
  expect(await (await ask()).json()).toEqual({ code: 'busy' });
  await clock.move(60_000);
  for (const reader of readers) {
    const lines = (await reader.text()).trimEnd().split('\n');
    expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({
      error: { code: 'timeout', message: expect.stringContaining('within 10 minutes') },
    });
  }
  expect((await ask()).status).toBe(200);
});

test('one that cannot be sent gives back its own place, and no other', async () => {
  const { ask } = await endlessComparisons(1);
  expect(await (await ask()).json()).toEqual({ code: 'io' });
  const statuses = [await ask(), await ask(), await ask()].map(({ status }) => status);
  expect(statuses).toEqual([200, 200, 503]);
});
