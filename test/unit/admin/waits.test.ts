/** What the admin endpoint waits for, on a clock that stands. */
import { expect, onTestFinished, test } from 'vitest';
import { Access } from '../../../src/admin/access.ts';
import type { Operations } from '../../../src/admin/operations.ts';
import { AdminServer } from '../../../src/admin/server.ts';
import type { PropertyStore } from '../../../src/property-store/property-store.ts';
import { StandingClock } from '../../support/standing-clock.ts';

const nothing = (): void => undefined;

async function serve(operations: object): Promise<{
  clock: StandingClock;
  server: AdminServer;
  url: string;
}> {
  const clock = new StandingClock();
  const server = new AdminServer({
    ...{ clock, version: '0', insecureListen: false, tls: null, access: new Access() },
    operations: { onRequest: nothing, ...operations } as unknown as Operations,
    store: {} as PropertyStore,
  });
  onTestFinished(() => server[Symbol.asyncDispose]());
  const { host, port } = await server.listen({ host: '127.0.0.1', port: 0 });
  return { clock, server, url: `http://${host}:${port}` };
}

test('an event stream that is silent says every 15 seconds that it is there', async () => {
  const { clock, url } = await serve({ follow: () => nothing, runs: () => [] });
  const response = await fetch(`${url}/v1/events`);
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  const read = async (): Promise<string | undefined> => (await reader?.read())?.value;
  expect(await read()).toBe(': runs follow as they move on\n\n');
  for (let times = 0; times < 3; times += 1) {
    await clock.move(15_000);
    expect(await read()).toBe(': still here\n\n');
  }
});

test('a request that does not end is cut a second after the endpoint closes', async () => {
  const asked = Promise.withResolvers<void>();
  const status = (): Promise<never> => {
    asked.resolve();
    return new Promise(() => undefined);
  };
  const { clock, server, url } = await serve({ status });
  const answer = expect(fetch(`${url}/v1/status`)).rejects.toThrow('fetch failed');
  await asked.promise;
  const closed = server[Symbol.asyncDispose]();
  await clock.move(1_000);
  await closed;
  await answer;
});
